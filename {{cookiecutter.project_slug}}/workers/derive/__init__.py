"""What follows from the topology, one module an output."""
