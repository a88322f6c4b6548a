"""The demonstration: four real deployments at the same time on the local stack, and the proof of what they did."""
