/** A certificate for this machine, which nobody vouches for. */
import { execFileSync } from 'node:child_process';
import { X509Certificate, createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** For `--ignore-certificate-errors-spki-list`. */
  readonly pin: string;
}

export const makeCertificate = (): Certificate => {
  const folder = mkdtempSync(join(tmpdir(), 'hallpass-certificate-'));
  try {
    const files = { key: join(folder, 'key.pem'), cert: join(folder, 'cert.pem') };
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const named = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
    execFileSync('openssl', [...made, ...named, '-keyout', files.key, '-out', files.cert], { stdio: 'ignore' });
    const [key, cert] = [readFileSync(files.key), readFileSync(files.cert)];
    const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
    return { key, cert, pin: createHash('sha256').update(spki).digest('base64') };
  } finally {
    rmSync(folder, { recursive: true });
  }
};
