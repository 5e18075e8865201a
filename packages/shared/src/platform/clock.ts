/**
 * Milliseconds since the epoch by the service's one clock, Redis `TIME`, as well as the process
 * knows it.
 */
export interface Clock {
  nowMs(): number;
}
