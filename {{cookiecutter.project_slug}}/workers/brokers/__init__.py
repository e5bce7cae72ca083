"""What is particular to RabbitMQ and to Redis beyond settings: declaring, connecting, looking at them."""
