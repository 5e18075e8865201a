/** Each run of a benchmark, of chaos and of the fuzzer has a folder of its own. */
export { temporaryFolder, type TemporaryFolder } from '@flash-sale/infra/services/temporary-folder.ts';
