"""Names by which a user means a trained model, for help and refusals (light: the command line imports it)."""

__all__ = ["CURRENT", "NAMES", "PRETRAINED", "VERSION"]

CURRENT, PRETRAINED = "current", "pretrained"  # the newest that was trained, or pre-trained, in the lake
VERSION = "version:"  # a number of the model registry follows
NAMES = (
    f"a folder, a model.tar.gz, an s3:// URI of one, `{CURRENT}`, `{PRETRAINED}` or `{VERSION}3` of the registry"
)
