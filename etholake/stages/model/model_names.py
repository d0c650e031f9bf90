"""Names by which a user means a trained model, for help and refusals (light: the command line imports it)."""

__all__ = ["CHECKPOINT", "CURRENT", "NAMES", "PRETRAINED", "VERSION"]

CURRENT, PRETRAINED = "current", "pretrained"  # the newest that was trained, or pre-trained, in the lake
VERSION = "version:"  # a number of the model registry follows
CHECKPOINT = "#"  # before the name of another checkpoint of the same training
NAMES = (
    f"a folder, a model.tar.gz, an s3:// URI of one, `{CURRENT}`, `{PRETRAINED}` or `{VERSION}3` of the registry; "
    f"a second checkpoint follows as {CHECKPOINT}highest_accuracy"
)
