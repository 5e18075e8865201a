import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

/** A certificate and its key, PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Signs certificates for host names; a client that has its certificate trusts them. */
export interface Authority {
  readonly cert: string;
  readonly issue: (hostName: string) => Certificate;
}

const HOUR_MS = 3_600_000;
const OID = {
  commonName: '550403',
  basicConstraints: '551d13',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  ecdsaWithSha256: '2a8648ce3d040302',
};

/**
 * Creates an authority with its own key. Node.js can sign but cannot write a certificate, so this
 * code writes its few fields.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-4.1
 */
export function createAuthority(name: string): Authority {
  const { publicKey, privateKey } = newKeys();
  const authority = { name, privateKey };
  const cert = certificateOf(name, publicKey, authority, [
    extension(OID.basicConstraints, sequence(der(0x01, Buffer.from([0xff])))),
    // Signing certificates and revocation lists.
    extension(OID.keyUsage, der(0x03, Buffer.from([1, 0b0000_0110]))),
  ]);
  return {
    cert,
    issue(hostName) {
      const keys = newKeys();
      const names = sequence(der(0x82, Buffer.from(hostName)));
      return {
        cert: certificateOf(hostName, keys.publicKey, authority, [extension(OID.subjectAltName, names)]),
        key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      };
    },
  };
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

function certificateOf(
  subject: string,
  publicKey: KeyObject,
  issuer: { readonly name: string; readonly privateKey: KeyObject },
  extensions: readonly Buffer[],
): string {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const nowMs = Date.now();
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    // Positive, as a serial number has to be.
    der(0x02, Buffer.concat([Buffer.from([0x40]), randomBytes(8)])),
    algorithm,
    nameOf(issuer.name),
    sequence(time(nowMs - HOUR_MS), time(nowMs + HOUR_MS)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', content, issuer.privateKey);
  const body = sequence(content, algorithm, der(0x03, Buffer.concat([Buffer.from([0]), signature]))).toString('base64');
  // No empty line after a full last line: OpenSSL refuses it.
  const lines = body.match(/.{1,64}/g)!.join('\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, Buffer.concat(parts));
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const extension = (id: string, value: Buffer): Buffer => sequence(oid(id), der(0x04, value));
const nameOf = (name: string): Buffer =>
  sequence(der(0x31, sequence(oid(OID.commonName), der(0x0c, Buffer.from(name)))));
/** GeneralizedTime such as `20261123120000Z`. */
const time = (atMs: number): Buffer =>
  der(0x18, Buffer.from(`${new Date(atMs).toISOString().replaceAll(/[-:T]|\..*/g, '')}Z`));

/** A value behind its tag and length. */
function der(tag: number, value: Buffer): Buffer {
  const { length } = value;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}
