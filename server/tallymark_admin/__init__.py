"""The operator's command line: speaks OperatorService and nothing else."""
