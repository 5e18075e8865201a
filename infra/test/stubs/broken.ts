/** Stands in for a process that cannot start. */
console.log('I was never any good');
process.exitCode = 7;
