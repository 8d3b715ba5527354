"""The portal against simulated AWS and CML on this machine, with no account anywhere (docs/architecture.md, design §9)."""
