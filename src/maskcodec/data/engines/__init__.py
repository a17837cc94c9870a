"""Where shards are made: on this machine, or on many.

An engine is a function of what makes a shard and of the batches. It yields the shards in the order
of the batches and holds only a few of either. All of them call the same function, so that their
shards are equal.
"""
