/** Certificates and chains: firmware and host give the same verdict on every chain, and remember only what is true. */

import { Sign1 } from "@auth0/cose";
import * as cborg from "cborg";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import {
  ROLE_AGENT_SECURITY_SERVER,
  ROLE_CUSTOMER,
  ROLE_GENERATOR,
  ROLE_MINT,
  ROLE_MODULE_SECURITY_SERVER,
  ROLE_TELLER,
  ROLE_TRANSACTION,
  SIGNED_CERTIFICATE,
  SIGNED_REQUEST,
  TREE_AGENTS,
  TREE_MODULES,
} from "../firmware/protocol/kinds.js";
import { CERTIFICATE_BYTES_MAX, CERTIFICATES_REMEMBERED, CHAIN_BYTES_MAX } from "../firmware/protocol/limits.js";
import {
  REASON_BAD_SIGNATURE,
  REASON_CERTIFICATE_EXPIRED,
  REASON_CERTIFICATE_NOT_YET_VALID,
  REASON_FOREIGN_CERTIFICATE,
  REASON_MALFORMED,
  REASON_TOO_LONG,
  REASON_WRONG_ROLE,
} from "../firmware/protocol/reasons.js";
import { concatBytes, fromHex, toHex } from "../host/codec/bytes.js";
import { type CborValue, decode, encode } from "../host/codec/cbor.js";
import {
  type Certificate,
  decodeChain,
  encodeChain,
  isDeviceRole,
  issueCertificate,
  type Root,
  readCertificate,
  verifyCertificate,
  verifyChain,
  verifyIssuer,
} from "../host/codec/certificate.js";
import { externalAad, payloadOf, sign1 } from "../host/codec/cose.js";
import { CodecError } from "../host/codec/errors.js";
import type { Signer } from "../host/codec/signer.js";
import { ed25519Signer, x25519KeyPair } from "../host/crypto.js";
import { type LoadedModule, loadModule } from "./support/firmware.js";

const NOW = 1_800_000_000;
const YEAR = 31_536_000;

let chip: LoadedModule<Record<string, (...values: (number | bigint)[]) => number>>;
beforeEach(async () => {
  chip = await loadModule("certificate");
});

const bytes16 = (fill: number): Uint8Array => new Uint8Array(16).fill(fill);
const seed = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

const rootSigner = ed25519Signer(seed(1));
const serverSigner = ed25519Signer(seed(2));
const deviceSigner = ed25519Signer(seed(3));
const strangerSigner = ed25519Signer(seed(4));
const root: Root = { tree: TREE_MODULES, id: bytes16(0xa0), publicKey: rootSigner.publicKey };

const serverCertificate: Certificate = {
  id: bytes16(0xb0),
  issuer: root.id,
  role: ROLE_MODULE_SECURITY_SERVER,
  notBefore: NOW - YEAR,
  expiry: NOW + 2 * YEAR,
  signatureKey: serverSigner.publicKey,
  agreementKey: x25519KeyPair(seed(12)).publicKey,
  name: "Security server",
};
const deviceCertificate: Certificate = {
  id: bytes16(0xc0),
  issuer: serverCertificate.id,
  role: ROLE_TRANSACTION,
  notBefore: NOW - 10,
  expiry: NOW + YEAR,
  signatureKey: deviceSigner.publicKey,
  agreementKey: x25519KeyPair(seed(13)).publicKey,
};

const server = issueCertificate(serverCertificate, rootSigner);
const device = issueCertificate(deviceCertificate, serverSigner);
const chain = encodeChain(device, server);

function reasonOf(action: () => unknown): number {
  try {
    action();
    return 0;
  } catch (error) {
    if (error instanceof CodecError) return -error.reason;
    throw error;
  }
}

function chipChain(what: Uint8Array, top: Root, now: number): number {
  chip.release();
  const at = chip.write(what);
  const status = chip.call(
    "verifyChain",
    at,
    what.length,
    chip.write(top.id),
    chip.write(top.publicKey),
    top.tree,
    BigInt(now),
  );
  if (status < 0) expect(isForgotten()).toBe(true);
  return status;
}

/** After an error nothing of the certificate may be left to be taken for true. */
function isForgotten(): boolean {
  return chip.read(chip.call("certificateAddress"), chip.call("certificateBytes")).every((byte) => byte === 0);
}

/** What the firmware holds after it has read or verified a certificate. */
function chipCertificate(): Certificate {
  const name = chip.read(chip.call("nameAddress"), chip.call("nameLength"));
  const certificate = {
    id: chip.read(chip.call("idAddress"), 16),
    issuer: chip.read(chip.call("issuerAddress"), 16),
    role: chip.call("role"),
    notBefore: Number(chip.call("notBefore")),
    expiry: Number(chip.call("expiry")),
    signatureKey: chip.read(chip.call("signatureKeyAddress"), 32),
    agreementKey: chip.read(chip.call("agreementKeyAddress"), 32),
  };
  return name.length === 0 ? certificate : { ...certificate, name: new TextDecoder().decode(name) };
}

/** The verdict of both on a chain, which must be one; `now` 0 is "at no particular time". */
function verdict(what: Uint8Array, now: number = NOW, top: Root = root): number {
  const host = reasonOf(() => verifyChain(what, top, now === 0 ? undefined : now));
  expect([toHex(what), chipChain(what, top, now)]).toEqual([toHex(what), host]);
  return host;
}

/** The verdict of both on a single certificate's form. */
function formVerdict(certificate: Uint8Array): number {
  const host = reasonOf(() => readCertificate(certificate));
  chip.release();
  const status = chip.call("read", chip.write(certificate), certificate.length);
  expect([toHex(certificate), status]).toEqual([toHex(certificate), host]);
  if (status < 0) expect(isForgotten()).toBe(true);
  return host;
}

const issueServer = (change: Partial<Certificate>, signer: Signer = rootSigner): Uint8Array =>
  issueCertificate({ ...serverCertificate, ...change }, signer);
const issueDevice = (change: Partial<Certificate>, signer: Signer = serverSigner): Uint8Array =>
  issueCertificate({ ...deviceCertificate, ...change }, signer);

describe("a good chain", () => {
  test("is verified by both, and they read the same", () => {
    expect(verdict(chain)).toBe(0);
    expect(verdict(chain, 0)).toBe(0);
    expect(verifyChain(chain, root, NOW)).toEqual({ device: deviceCertificate, server: serverCertificate });
    expect(chipCertificate()).toEqual(deviceCertificate);
    chip.release();
    const at = chip.write(server);
    expect(
      chip.call(
        "verifyIssuer",
        at,
        server.length,
        chip.write(root.id),
        chip.write(root.publicKey),
        root.tree,
        BigInt(NOW),
      ),
    ).toBe(0);
    expect(chipCertificate()).toEqual(serverCertificate);
    expect(verifyIssuer(server, root, NOW)).toEqual(serverCertificate);
  });

  test("can come in two pieces", () => {
    expect(verifyCertificate(device, server, root, NOW).device).toEqual(deviceCertificate);
    const place = [chip.write(root.id), chip.write(root.publicKey), root.tree, BigInt(NOW)] as const;
    const [first, second] = [chip.write(device), chip.write(server)];
    expect(chip.call("verifyDevice", first, device.length, second, server.length, ...place)).toBe(0);
    expect(chip.call("verifyDevice", second, server.length, first, device.length, ...place)).toBe(
      -REASON_FOREIGN_CERTIFICATE,
    );
  });

  test("any certificate that can be issued reads back the same in both", () => {
    const ids = fc.uint8Array({ minLength: 16, maxLength: 16 });
    const publicKeys = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const seconds = fc.oneof(fc.integer({ min: 0, max: 2 ** 33 }), fc.maxSafeNat());
    const certificates = fc
      .record({
        id: ids,
        issuer: ids,
        role: fc.nat(255),
        times: fc.tuple(seconds, seconds).filter(([a, b]) => a !== b),
        signatureKey: publicKeys,
        agreementKey: publicKeys,
        name: fc.option(fc.string({ minLength: 1, maxLength: 8, unit: "binary" })),
      })
      .filter(({ id, issuer }) => toHex(id) !== toHex(issuer));
    fc.assert(
      fc.property(certificates, ({ times, name, ...rest }) => {
        const [notBefore, expiry] = times[0] < times[1] ? times : [times[1], times[0]];
        const certificate: Certificate = { ...rest, notBefore, expiry, ...(name === null ? {} : { name }) };
        const bytes = issueCertificate(certificate, rootSigner);
        expect(formVerdict(bytes)).toBe(0);
        expect(readCertificate(bytes)).toEqual(certificate);
        expect(chipCertificate()).toEqual(certificate);
      }),
      { numRuns: 100 },
    );
  });

  test("the longest certificate and chain stay within their limits", () => {
    const longest = { expiry: Number.MAX_SAFE_INTEGER, notBefore: 2 ** 40, name: "x".repeat(32) };
    const long = issueServer(longest);
    const longChain = encodeChain(issueDevice(longest), long);
    expect(long.length).toBeLessThanOrEqual(CERTIFICATE_BYTES_MAX);
    expect(longChain.length).toBeLessThanOrEqual(CHAIN_BYTES_MAX);
    expect(verdict(longChain, 2 ** 41)).toBe(0);
  });
});

describe("a chain is refused", () => {
  test("forged: a device's certificate signed by somebody else", () => {
    expect(verdict(encodeChain(issueDevice({}, strangerSigner), server))).toBe(-REASON_BAD_SIGNATURE);
    expect(verdict(encodeChain(issueDevice({}, rootSigner), server))).toBe(-REASON_BAD_SIGNATURE);
    expect(verdict(encodeChain(issueDevice({}, deviceSigner), server))).toBe(-REASON_BAD_SIGNATURE);
  });

  test("forged: a security server's certificate signed by somebody else, with its own key inside", () => {
    const forged = issueServer({ signatureKey: strangerSigner.publicKey }, strangerSigner);
    expect(verdict(encodeChain(issueDevice({}, strangerSigner), forged))).toBe(-REASON_BAD_SIGNATURE);
  });

  test("foreign root: another id, or the same id with another key", () => {
    expect(verdict(chain, NOW, { ...root, id: bytes16(0xa1) })).toBe(-REASON_FOREIGN_CERTIFICATE);
    expect(verdict(chain, NOW, { ...root, publicKey: strangerSigner.publicKey })).toBe(-REASON_BAD_SIGNATURE);
  });

  test("foreign root: a whole tree of a stranger", () => {
    const foreign = { ...root, id: bytes16(0xe0), publicKey: strangerSigner.publicKey };
    const foreignServer = issueServer({ issuer: foreign.id }, strangerSigner);
    const foreignChain = encodeChain(issueDevice({}), foreignServer);
    expect(verdict(foreignChain, NOW, foreign)).toBe(0);
    expect(verdict(foreignChain)).toBe(-REASON_FOREIGN_CERTIFICATE);
  });

  test("expired or not yet valid, at the very second, on either certificate", () => {
    expect(verdict(chain, deviceCertificate.notBefore)).toBe(0);
    expect(verdict(chain, deviceCertificate.notBefore - 1)).toBe(-REASON_CERTIFICATE_NOT_YET_VALID);
    expect(verdict(chain, deviceCertificate.expiry - 1)).toBe(0);
    expect(verdict(chain, deviceCertificate.expiry)).toBe(-REASON_CERTIFICATE_EXPIRED);
    const ended = encodeChain(device, issueServer({ expiry: NOW }));
    expect(verdict(ended, NOW - 1)).toBe(0);
    expect(verdict(ended, NOW)).toBe(-REASON_CERTIFICATE_EXPIRED);
    const later = encodeChain(device, issueServer({ notBefore: NOW + 1 }));
    expect(verdict(later, NOW)).toBe(-REASON_CERTIFICATE_NOT_YET_VALID);
    expect(verdict(later, NOW + 1)).toBe(0);
    expect(verdict(ended, 0)).toBe(0);
    expect(verdict(later, 0)).toBe(0);
  });

  test("wrong role: every role in every place of both trees", () => {
    for (const tree of [TREE_AGENTS, TREE_MODULES]) {
      const top = { ...root, tree };
      const right = tree === TREE_AGENTS ? ROLE_AGENT_SECURITY_SERVER : ROLE_MODULE_SECURITY_SERVER;
      const devices = tree === TREE_AGENTS ? [ROLE_CUSTOMER, ROLE_MINT] : [ROLE_TRANSACTION, ROLE_GENERATOR];
      const [lowest = 0, highest = 0] = devices;
      for (let role = 0; role < 40; role++) {
        const isDevice = role >= lowest && role <= highest;
        expect([isDeviceRole(role, tree), chip.call("isDeviceRole", role, tree) === 1]).toEqual([isDevice, isDevice]);
        const asDevice = encodeChain(issueDevice({ role }), issueServer({ role: right }));
        expect(verdict(asDevice, NOW, top)).toBe(isDevice ? 0 : -REASON_WRONG_ROLE);
        const asServer = encodeChain(issueDevice({ role: lowest }), issueServer({ role }));
        expect(verdict(asServer, NOW, top)).toBe(role === right ? 0 : -REASON_WRONG_ROLE);
      }
    }
  });

  test("a device cannot issue: a chain below a device's certificate", () => {
    const below = issueCertificate(
      { ...deviceCertificate, id: bytes16(0xd0), issuer: deviceCertificate.id },
      deviceSigner,
    );
    expect(verdict(encodeChain(below, device))).toBe(-REASON_FOREIGN_CERTIFICATE);
    const underRoot = issueDevice({ issuer: root.id }, rootSigner);
    const belowRoot = issueDevice({ id: bytes16(0xd0), issuer: deviceCertificate.id }, deviceSigner);
    expect(verdict(encodeChain(belowRoot, underRoot))).toBe(-REASON_WRONG_ROLE);
  });

  test("wrong tree: agents' chain where modules' is wanted", () => {
    const agents = encodeChain(issueDevice({ role: ROLE_CUSTOMER }), issueServer({ role: ROLE_AGENT_SECURITY_SERVER }));
    expect(verdict(agents, NOW, { ...root, tree: TREE_AGENTS })).toBe(0);
    expect(verdict(agents)).toBe(-REASON_WRONG_ROLE);
    expect(verdict(chain, NOW, { ...root, tree: TREE_AGENTS })).toBe(-REASON_WRONG_ROLE);
  });

  test("swapped ids and swapped places", () => {
    expect(verdict(encodeChain(server, device))).toBe(-REASON_FOREIGN_CERTIFICATE);
    expect(verdict(encodeChain(device, device))).toBe(-REASON_FOREIGN_CERTIFICATE);
    expect(verdict(encodeChain(server, server))).toBe(-REASON_FOREIGN_CERTIFICATE);
    const swapped = issueDevice({ id: serverCertificate.id, issuer: deviceCertificate.id });
    expect(verdict(encodeChain(swapped, server))).toBe(-REASON_FOREIGN_CERTIFICATE);
    const otherIssuer = issueDevice({ issuer: bytes16(0xb1) });
    expect(verdict(encodeChain(otherIssuer, server))).toBe(-REASON_FOREIGN_CERTIFICATE);
    expect(verdict(encodeChain(issueDevice({ id: root.id }), server))).toBe(-REASON_FOREIGN_CERTIFICATE);
  });

  test("a signed object of another kind with the same claims", () => {
    const request = sign1(SIGNED_REQUEST, payloadOf(device), serverSigner);
    expect(verdict(encodeChain(request, server))).toBe(-REASON_BAD_SIGNATURE);
  });

  test("truncated anywhere, lengthened, or with a bit changed in any byte", () => {
    for (let length = 0; length < chain.length; length++) {
      expect(verdict(chain.slice(0, length))).toBe(-REASON_MALFORMED);
    }
    expect(verdict(concatBytes(chain, Uint8Array.of(0)))).toBe(-REASON_MALFORMED);
    expect(verdict(new Uint8Array(CHAIN_BYTES_MAX + 1))).toBe(-REASON_TOO_LONG);
    expect(verdict(encode([device]))).toBe(-REASON_MALFORMED);
    expect(verdict(encode([device, server, Uint8Array.of(0)]))).toBe(-REASON_MALFORMED);
    for (let at = 0; at < chain.length; at++) {
      const changed = Uint8Array.from(chain);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      expect(verdict(changed)).toBeLessThan(0);
    }
    expect(verdict(chain)).toBe(0);
  });
});

describe("a certificate's form", () => {
  const claims = decode(payloadOf(server)) as Map<number, CborValue>;
  const confirmation = claims.get(8) as Map<number, Map<number, CborValue>>;
  const key = confirmation.get(1) as Map<number, CborValue>;
  const withClaim = (claim: number, value: CborValue): CborValue => new Map([...claims, [claim, value]]);
  const withKey = (parameter: number, value: CborValue): CborValue =>
    withClaim(8, new Map([[1, new Map([...key, [parameter, value]])]]));
  const without = (claim: number): CborValue => new Map([...claims].filter(([other]) => other !== claim));
  const hex = "0123456789abcdef0123456789abcdef";

  const malformed: Record<string, CborValue> = {
    "no claims": null,
    "claims as an array": [...claims.values()],
    "an issuer in upper case": withClaim(1, hex.toUpperCase()),
    "an issuer of 31 digits": withClaim(1, hex.slice(1)),
    "an issuer of 33 digits": withClaim(1, `${hex}0`),
    "an issuer as bytes": withClaim(1, new Uint8Array(16)),
    "a subject with a letter that is no digit": withClaim(2, hex.replace("f", "g")),
    "a subject that is its own issuer": withClaim(2, claims.get(1) as string),
    "an expiry below zero": withClaim(4, -1),
    "an expiry of 2^53": withClaim(4, 2n ** 53n),
    "an expiry as text": withClaim(4, "1"),
    "an expiry at not before": withClaim(4, claims.get(5) as number),
    "an expiry before not before": withClaim(5, (claims.get(4) as number) + 1),
    "a confirmation without key": withClaim(8, new Map()),
    "a confirmation with two entries": withClaim(8, new Map([...confirmation, [2, new Map()]])),
    "a key of another type": withKey(1, 2),
    "a key on another curve": withKey(-1, 4),
    "a key of 31 bytes": withKey(-2, new Uint8Array(31)),
    "a key with a y": withKey(-3, new Uint8Array(32)),
    "a role of 256": withClaim(-65537, 256),
    "a role below zero": withClaim(-65537, -1),
    "an agreement key of 33 bytes": withClaim(-65538, new Uint8Array(33)),
    "an empty name": withClaim(-65539, ""),
    "a name of 33 bytes": withClaim(-65539, "x".repeat(33)),
    "a name as bytes": withClaim(-65539, Uint8Array.of(1)),
    "a claim more": withClaim(7, Uint8Array.of(1)),
    "a claim more instead of the name": new Map([...(without(-65539) as Map<number, CborValue>), [-65540, "x"]]),
  };
  for (const claim of [1, 2, 4, 5, 8, -65537, -65538]) malformed[`no claim ${claim}`] = without(claim);

  test.each(Object.entries(malformed))("%s is malformed", (_what, value) => {
    expect(formVerdict(sign1(SIGNED_CERTIFICATE, encode(value), rootSigner))).toBe(-REASON_MALFORMED);
  });

  test("without a name, and with claims as they are, it is good", () => {
    expect(formVerdict(sign1(SIGNED_CERTIFICATE, encode(without(-65539)), rootSigner))).toBe(0);
    expect(formVerdict(sign1(SIGNED_CERTIFICATE, encode(claims), rootSigner))).toBe(0);
  });

  test("claims that are not sorted, or not deterministic, are malformed", () => {
    const good = payloadOf(device);
    const entries = [...(decode(good) as Map<number, CborValue>)];
    const swapped = [...entries.slice(2, 3), ...entries.slice(0, 2), ...entries.slice(3)];
    const unsorted = concatBytes(
      Uint8Array.of(0xa7),
      ...swapped.flatMap(([claim, value]) => [encode(claim), encode(value)]),
    );
    expect(formVerdict(sign1(SIGNED_CERTIFICATE, unsorted, rootSigner))).toBe(-REASON_MALFORMED);
    const longer = fromHex(toHex(good).replace(/^a7/, "b807"));
    expect(formVerdict(sign1(SIGNED_CERTIFICATE, longer, rootSigner))).toBe(-REASON_MALFORMED);
    expect(formVerdict(sign1(SIGNED_CERTIFICATE, concatBytes(good, Uint8Array.of(0)), rootSigner))).toBe(
      -REASON_MALFORMED,
    );
  });

  test("above the limit it is too long", () => {
    expect(formVerdict(new Uint8Array(CERTIFICATE_BYTES_MAX + 1))).toBe(-REASON_TOO_LONG);
    const big = sign1(SIGNED_CERTIFICATE, new Uint8Array(CERTIFICATE_BYTES_MAX), rootSigner);
    expect(formVerdict(big)).toBe(-REASON_TOO_LONG);
  });

  test("any byte changed, added or cut off gives the same verdict on the form", () => {
    const damage = fc.record({ at: fc.nat(), byte: fc.nat(255), how: fc.constantFrom("change", "add", "cut") });
    fc.assert(
      fc.property(damage, ({ at, byte, how }) => {
        const bytes = [...server];
        const place = at % bytes.length;
        if (how === "change") bytes[place] = byte;
        else if (how === "add") bytes.splice(place, 0, byte);
        else bytes.length = place;
        formVerdict(Uint8Array.from(bytes));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("CBOR Web Token (RFC 8392), by independent libraries", () => {
  test("the claims are a CWT's, the key is a COSE_Key, and the signature verifies with the kind's external_aad", async () => {
    const object = Sign1.decode(server);
    const publicKey = Uint8Array.from(root.publicKey);
    const verifying = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
    await object.verify(verifying, { externalAAD: externalAad(SIGNED_CERTIFICATE) });
    const claims = cborg.decode(Uint8Array.from(object.payload), {
      useMaps: true,
      strict: true,
      rejectDuplicateMapKeys: true,
    });
    const key = new Map<number, unknown>([
      [1, 1],
      [-1, 6],
      [-2, serverCertificate.signatureKey],
    ]);
    expect(claims).toEqual(
      new Map<number, unknown>([
        [1, toHex(root.id)],
        [2, toHex(serverCertificate.id)],
        [4, serverCertificate.expiry],
        [5, serverCertificate.notBefore],
        [8, new Map([[1, key]])],
        [-65537, ROLE_MODULE_SECURITY_SERVER],
        [-65538, serverCertificate.agreementKey],
        [-65539, "Security server"],
      ]),
    );
    expect(toHex(cborg.encode(claims, cborg.rfc8949EncodeOptions))).toBe(toHex(Uint8Array.from(object.payload)));
  });
});

describe("verified signatures are remembered", () => {
  const verifications = (): number => chip.call("verifications");
  const deviceNumber = (i: number): Uint8Array =>
    issueDevice({ id: Uint8Array.from([...bytes16(i).slice(0, 15), 0xff]) });

  test("a chain costs two operations once, another device of the same server one more", () => {
    expect(chipChain(chain, root, NOW)).toBe(0);
    expect(verifications()).toBe(2);
    expect(chipChain(chain, root, NOW)).toBe(0);
    expect(chipChain(chain, root, 0)).toBe(0);
    expect(verifications()).toBe(2);
    expect(chipChain(encodeChain(issueDevice({ role: ROLE_TELLER }), server), root, NOW)).toBe(0);
    expect(verifications()).toBe(3);
  });

  test("what does not depend on the signature is looked at every time", () => {
    expect(chipChain(chain, root, NOW)).toBe(0);
    expect(chipChain(chain, root, deviceCertificate.expiry)).toBe(-REASON_CERTIFICATE_EXPIRED);
    expect(chipChain(chain, { ...root, tree: TREE_AGENTS }, NOW)).toBe(-REASON_WRONG_ROLE);
    expect(chipChain(chain, { ...root, id: bytes16(1) }, NOW)).toBe(-REASON_FOREIGN_CERTIFICATE);
    expect(verifications()).toBe(2);
  });

  test("a certificate is not remembered under another issuer's key", () => {
    expect(chipChain(chain, root, NOW)).toBe(0);
    expect(chipChain(chain, { ...root, publicKey: strangerSigner.publicKey }, NOW)).toBe(-REASON_BAD_SIGNATURE);
    // A second security server with the first one's id but its own key: the device's certificate is not its word.
    const second = issueServer({ signatureKey: strangerSigner.publicKey });
    expect(chipChain(encodeChain(device, second), root, NOW)).toBe(-REASON_BAD_SIGNATURE);
  });

  test("a bad signature is never remembered as good", () => {
    const forged = encodeChain(issueDevice({}, strangerSigner), server);
    for (let i = 0; i < 3; i++) expect(chipChain(forged, root, NOW)).toBe(-REASON_BAD_SIGNATURE);
    expect(verifications()).toBe(1 + 3);
  });

  test("a certificate with another signature of the same issuer is another one", () => {
    expect(chipChain(chain, root, NOW)).toBe(0);
    const changed = Uint8Array.from(chain);
    const at = 3 + device.length - 1;
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(decodeChain(changed).device).not.toEqual(device);
    expect(chipChain(changed, root, NOW)).toBe(-REASON_BAD_SIGNATURE);
  });

  test("the one that was not used for longest makes room, and the room is what the limits say", () => {
    const devices = Array.from({ length: CERTIFICATES_REMEMBERED }, (_, i) => encodeChain(deviceNumber(i), server));
    const last = devices.length - 1;
    // With the server these take all places: none is left for the last device.
    for (const one of devices.slice(0, last)) expect(chipChain(one, root, NOW)).toBe(0);
    expect(verifications()).toBe(CERTIFICATES_REMEMBERED);
    for (const one of devices.slice(0, last)) expect(chipChain(one, root, NOW)).toBe(0);
    expect(verifications()).toBe(CERTIFICATES_REMEMBERED);
    // The last device pushes out the first. The server came before it, but is used each time, and stays.
    expect(chipChain(devices[last] ?? chain, root, NOW)).toBe(0);
    expect(verifications()).toBe(CERTIFICATES_REMEMBERED + 1);
    for (const one of devices.slice(1)) expect(chipChain(one, root, NOW)).toBe(0);
    expect(verifications()).toBe(CERTIFICATES_REMEMBERED + 1);
    expect(chipChain(devices[0] ?? chain, root, NOW)).toBe(0);
    expect(verifications()).toBe(CERTIFICATES_REMEMBERED + 2);
    expect(chipChain(devices[1] ?? chain, root, NOW)).toBe(0);
    expect(verifications()).toBe(CERTIFICATES_REMEMBERED + 3);
  });
});

describe("issuing", () => {
  const refused: [Partial<Record<keyof Certificate, unknown>>, RegExp][] = [
    [{ id: new Uint8Array(15) }, /^certificate\.id: expected 16 bytes/],
    [{ issuer: "aa" }, /^certificate\.issuer: expected a Uint8Array/],
    [{ issuer: serverCertificate.id }, /^certificate\.id: is its own issuer/],
    [{ role: 256 }, /^certificate\.role/],
    [{ role: 1.5 }, /^certificate\.role/],
    [{ notBefore: -1 }, /^certificate\.notBefore/],
    [{ expiry: serverCertificate.notBefore }, /^certificate\.expiry/],
    [{ expiry: 2 ** 53 }, /^certificate\.expiry/],
    [{ signatureKey: new Uint8Array(31) }, /^certificate\.signatureKey/],
    [{ agreementKey: new Uint8Array(33) }, /^certificate\.agreementKey/],
    [{ name: "" }, /^certificate\.name/],
    [{ name: "ü".repeat(17) }, /^certificate\.name/],
    [{ name: 5 }, /^certificate\.name/],
  ];
  test.each(refused)("%o is refused by name", (change, message) => {
    expect(() => issueServer(change as Partial<Certificate>)).toThrow(message);
  });

  test("verifying guards its arguments", () => {
    expect(() => verifyChain(chain, { ...root, tree: 2 }, NOW)).toThrow(/^root\.tree/);
    expect(() => verifyChain(chain, { ...root, publicKey: bytes16(0) }, NOW)).toThrow(/^root\.publicKey/);
    expect(() => verifyChain(chain, root, 0)).toThrow(/^now/);
  });
});
