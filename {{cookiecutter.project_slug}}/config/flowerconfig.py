from config.env import environment

address = "127.0.0.1"
port = environment().flower_port
