/** One value per shard, created at the first use. */
export function perShard<Value>(make: (shard: number) => Value): {
  readonly of: (shard: number) => Value;
  readonly all: () => Value[];
} {
  const made = new Map<number, Value>();
  return {
    of(shard) {
      let value = made.get(shard);
      if (value === undefined) {
        value = make(shard);
        made.set(shard, value);
      }
      return value;
    },
    all: () => [...made.values()],
  };
}
