"""The topology: `workers.yml`, its typed model, and the rules that refuse a wrong number before it is deployed."""

from workers.topology.load import Loaded, current_environment, load, topology
from workers.topology.model import Group, Topology
from workers.topology.problems import Problem, TopologyError

__all__ = [
    "Group",
    "Loaded",
    "Problem",
    "Topology",
    "TopologyError",
    "current_environment",
    "load",
    "topology",
]
