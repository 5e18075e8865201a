import { describe, expect, it } from 'vitest';
import {
  flag,
  helpText,
  integer,
  option,
  parseCommandLine,
  text,
  UsageError,
} from '../../../src/platform/process/command-line.ts';

const PROGRAM = {
  usage: 'npm run try -- <file> [options]',
  summary: 'Tries.',
  args: ['file'],
  options: {
    fast: flag('does not wait'),
    name: text('<name>', 'of whom'),
    times: integer('<n>', 'how often', 1, 10),
    side: option('<side>', 'which', (typed) => {
      if (typed === 'left') return 'left' as const;
      throw new UsageError('--side takes left');
    }),
  },
};

const read = (...argv: string[]) => parseCommandLine(PROGRAM, argv);

describe('a command line', () => {
  it('is read into values, with options at any place', () => {
    expect(read('--fast', 'a.json', '--times', '7', '--name=-x', '--side', 'left')).toEqual({
      values: { fast: true, name: '-x', times: 7, side: 'left' },
      args: ['a.json'],
      help: false,
    });
    expect(read('a.json').values).toEqual({ fast: false, name: undefined, times: undefined, side: undefined });
    expect(read('--', '--odd-name').args).toEqual(['--odd-name']);
  });

  it('has as many more arguments as there are, if the program takes them', () => {
    const more = (...argv: string[]) => parseCommandLine({ ...PROGRAM, rest: 'file' }, argv).args;
    expect([more('a'), more('a', 'b', '--fast', 'c')]).toEqual([['a'], ['a', 'b', 'c']]);
    expect(more).toThrow('<file> is missing');
  });

  it.each([
    [['a', '--slow'], 'Unknown option --slow; the options are --fast, --name, --times, --side, --help'],
    [['a', '-x'], 'Unknown option -x'],
    [['a', '--no-fast'], 'Unknown option --no-fast'],
    [['a', '--__proto__=1'], 'Unknown option --__proto__'],
    [['a', '--fast=true'], '--fast takes no value'],
    [['a', '--name'], '--name needs a value: --name <name>'],
    [['a', '--name='], '--name needs a value'],
    [['a', '--name', '--fast'], '--name needs a value'],
    [['a', '--times', '1', '--times', '2'], '--times is given more than once'],
    [['a', '--times', '0'], "--times must be a whole number from 1 to 10, not '0'"],
    [['a', '--times', '1.0'], "not '1.0'"],
    [['a', '--times', ' 1'], "not ' 1'"],
    [['a', '--times', '0x2'], "not '0x2'"],
    [['a', '--side', 'right'], '--side takes left'],
    [[], '<file> is missing'],
    [['a', 'b'], "Unexpected argument 'b'"],
  ])('%j is refused', (argv, why) => {
    expect(() => read(...argv)).toThrow(why);
    expect(() => read(...argv)).toThrow(UsageError);
  });

  it('asks for help without its arguments, but not with options that do not exist', () => {
    expect(read('--help').help).toBe(true);
    expect(read('-h').help).toBe(true);
    expect(() => read('--help', '--slow')).toThrow('Unknown option --slow');
  });

  it('has help that names every option', () => {
    expect(helpText(PROGRAM)).toBe(`npm run try -- <file> [options]

Tries.

  --fast         does not wait
  --name <name>  of whom
  --times <n>    how often
  --side <side>  which
  --help         show this help
`);
  });
});
