"""SageMaker pipelines that execute: each step is a request to this server's own SageMaker.

`definition` reads and checks a definition, `expressions` its references, `conditions` its comparisons; `kinds`
says which operations a step type stands for. `run` starts steps as their dependencies allow, `steps` runs one,
`models` holds what the API shows, `operations` are the API's methods.
"""
