"""The units of systemd/ on real hosts: what they allow, how they stop, what they survive."""
