"""The clusters of tests/brokers on three hosts of a larger fleet."""

from collections.abc import Sequence
from typing import Final

from rehearsal.host import Host
from tests.brokers import redis
from tests.brokers.certificates import Authority
from tests.brokers.rabbitmq import RabbitMQ
from tests.brokers.redis import Redis

#: Messages in all queues but those of dead letters, whoever holds them.
_HELD: Final = """\
Dead = fun(Q) -> lists:suffix(".dead", binary_to_list(Name(Q))) end,
Json(lists:sum([proplists:get_value(messages, rabbit_amqqueue:info(Q, [messages])) || Q <- Quorum, not Dead(Q)])).
"""
#: The same in Redis: lists of the groups, and what workers noted to hold.
_COUNT: Final = """\
local held = redis.call('HLEN', KEYS[1])
for number = 2, #KEYS do held = held + redis.call('LLEN', KEYS[number]) end
return held
"""


class RabbitBeside(RabbitMQ):
    """RabbitMQ on the hosts of the group `rabbitmq`."""

    @property
    def hosts(self) -> Sequence[Host]:
        """In the order of the clients' URLs."""
        return [host for host in self.fleet.hosts.values() if "rabbitmq" in host.groups]

    def placed(self) -> Authority:
        """Have the role's files on its hosts; whose certificates they are."""
        authority = Authority()
        self.place(authority)
        return authority

    def held(self, _groups: Sequence[str]) -> int:
        """How many messages wait, are held by workers, or are not due yet; dead letters left out."""
        return int(self._eval(self.hosts[0], _HELD))


class RedisBeside(Redis):
    """Redis on the hosts of the group `redis`."""

    @property
    def hosts(self) -> Sequence[Host]:
        """In the order of the Sentinels in the clients' URL."""
        return [host for host in self.fleet.hosts.values() if "redis" in host.groups]

    def placed(self) -> Authority:
        """Have the role's files on its hosts; whose certificates they are."""
        self.place()
        return self.authority

    def held(self, groups: Sequence[str]) -> int:
        """How many messages wait in the queues of `groups`, are held by workers, or are not due yet."""
        keys = [f"{redis.PROJECT}:{name}" for name in ("unacked", *groups)]
        return int(self.cli(self.primary(), "broker", "eval", _COUNT, str(len(keys)), *keys))


Beside = RabbitBeside | RedisBeside
