"""The calls by subject, each over the shared transport. Every one raises CmlError and nothing else."""
