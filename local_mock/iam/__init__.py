"""IAM beside moto's: SimulatePrincipalPolicy, which the SageMaker SDK asks before it launches a job.

Moto keeps roles and policies but lets every request pass; the simulation says the same, for roles and users that
exist. It is no judge of a policy: whether one suffices is seen on AWS.
"""

from __future__ import annotations

from typing import Any

from local_mock.context import Context

__all__ = ["EXECUTES", "install"]

EXECUTES: frozenset[str] = frozenset()


def simulate_principal_policy(self: Any) -> Any:
    """Return 'allowed' for each action on each resource (method of moto's `IamResponse`)."""
    from moto.core.responses import ActionResult

    arn = self.params["PolicySourceArn"]
    name = arn.rpartition("/")[2]
    if ":role/" in arn:
        self.backend.get_role(name)  # NoSuchEntity if there is none
    elif ":user/" in arn:
        self.backend.get_user(name)
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": "allowed",
            "MatchedStatements": [],
        }
        for action in self.params["ActionNames"]
        for resource in self.params.get("ResourceArns") or ["*"]
    ]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def install(context: Context) -> None:  # noqa: ARG001 - the same shape in every service
    """Patch moto's IAM. Idempotent; before the first request."""
    from moto.iam.responses import IamResponse

    IamResponse.simulate_principal_policy = simulate_principal_policy
