"""A simulated AWS on loopback: moto's EC2 and CloudWatch, with the time, the rules and the memory of the real ones laid over it.

    python -m cmlmanager.sandbox.aws --port 5000 --data var/aws --seed

Instances take time to start and stop, keep their state over a restart, have addresses that exist on this machine, and use CPU.
`/_sandbox/` beside it tells what is there and makes AWS misbehave (`control`).
"""
