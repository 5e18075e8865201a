/**
 * From Node's HTTP module, without its `WebSocket`: an `import` of `node:http` reads every export,
 * and that one loads the whole of `fetch`, 45 ms of CPU that a process may never need.
 */
export const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http');
