"""RabbitMQ: the client's connection, the declared topology, the cluster at a glance."""
