"""The packages of the extra `study`, asked for before anything is trained."""

from cpm_repro.needing import needing

EXTRA = "study"


def check_packages() -> None:
    """InputError where a package is missing."""
    with needing("scikit-learn", "the pose machine's predictors", EXTRA):
        import sklearn.ensemble  # noqa: F401
    with needing("scikit-image", "the pose machine's image features", EXTRA):
        import skimage.feature  # noqa: F401
