"""What every test shares: Hypothesis without deadlines, which a busy machine would break."""

from hypothesis import settings

settings.register_profile("gmflow", deadline=None, print_blob=True)
settings.load_profile("gmflow")
