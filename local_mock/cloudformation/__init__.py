"""CloudFormation whose stacks really hold what the template says.

moto makes IAM roles, queues and more by itself, but skips Glue, Athena, bucket policies and most settings of
buckets while it reports success. `resources` is the table of what is made here, `models` ties it to moto.
"""

from __future__ import annotations

from local_mock.context import Context

__all__ = ["EXECUTES", "install"]

EXECUTES = frozenset({"CreateStack", "UpdateStack", "DeleteStack", "ValidateTemplate"})


def install(context: Context) -> None:  # noqa: ARG001 - the same shape in every service
    """Patch moto's CloudFormation. Idempotent; before the first request."""
    from local_mock.cloudformation import templates
    from local_mock.cloudformation.models import install_kinds, install_stacks

    templates.install()
    install_kinds()
    install_stacks()
