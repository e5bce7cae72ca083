from config.env import environment

bind = f"127.0.0.1:{environment().web_port}"
