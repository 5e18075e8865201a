/** Upper bounds of the buckets of a time, in seconds. */
export const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** The same for the size of a batch. */
export const BATCH_SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500];
