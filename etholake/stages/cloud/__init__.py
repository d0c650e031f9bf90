"""Stages that make, check, price and remove what stands in the account: deploy, teardown, cost."""
