"""What is wrong with the fleet: found in the background, told once, acknowledged by people, closed by itself."""
