import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkMachine, mirrorOf } from '../../src/debian-servers/archive.ts';
import { StartFailure } from '../../src/services/start-failure.ts';
import { temporaryFolder } from '../temporary-folder.ts';

describe('the address of the archive', () => {
  test.each([
    ['deb http://ftp.example.test/debian bookworm main'],
    ['deb [arch=amd64 signed-by=/x.gpg] http://ftp.example.test/debian/ bookworm main'],
    ['Types: deb\nURIs: http://ftp.example.test/debian/\nSuites: bookworm'],
    ['deb http://deb.example.test/debian-security bookworm-security main\ndeb http://ftp.example.test/debian sid main'],
    ['# deb http://old.example.test/debian buster main\ndeb http://ftp.example.test/debian sid main'],
  ])('is the one that the machine uses: %j', (sources) => {
    expect(mirrorOf([sources])).toBe('http://ftp.example.test/debian');
  });

  test('is the public one on a machine that is not Debian', () => {
    const ubuntu = 'deb http://archive.ubuntu.com/ubuntu noble main';
    expect(mirrorOf([ubuntu, ''])).toBe('http://deb.debian.org/debian');
  });
});

test('a machine that cannot download gets a message that names what is missing and what helps', () => {
  const folder = temporaryFolder();
  const keyring = join(folder, 'keys.gpg');
  const check = () => checkMachine({ dataDir: folder, env: {}, log: () => {}, keyring, folders: [folder] });
  const addProgram = (name: string): void => writeFileSync(join(folder, name), '', { mode: 0o755 });

  expect(check).toThrow(StartFailure);
  expect(check).toThrow(/apt-get and dpkg-deb.*\n.*PATH.*REDIS_ADDR, DB_HOST/);
  addProgram('apt-get');
  expect(check).toThrow(/needs dpkg-deb,/);
  addProgram('dpkg-deb');
  expect(check).toThrow(/keys\.gpg.*cannot be verified.*debian-archive-keyring/);
  writeFileSync(keyring, '');
  expect(check).not.toThrow();
});
