/**
 * Electronic notes (WO 96/41315 fig. 20; docs/PROTOCOLS.md, section 4) as hosts read and verify them and, in tests and
 * tools, make them. The rules are written a second time here, apart from `firmware/money-module/`, so that the two can be
 * held against each other. What depends on the module that receives (peer, transferee, bad-id list, note transfer tree)
 * is not here.
 */

import {
  ROLE_GENERATOR,
  ROLE_TELLER,
  ROLE_TRANSACTION,
  SIGNED_NOTE_BODY,
  SIGNED_TRANSFER,
  TREE_MODULES,
} from "../../firmware/protocol/kinds.js";
import {
  CERTIFICATE_BYTES_MAX,
  HOPS_MAX,
  NOTE_BYTES_MAX,
  NOTE_ISSUERS_MAX,
  SECONDS_BITS,
} from "../../firmware/protocol/limits.js";
import {
  REASON_HOP_LIMIT,
  REASON_NOTE_EXPIRED,
  REASON_NOTE_INVALID,
  REASON_TOO_LONG,
  REASON_WRONG_ROLE,
} from "../../firmware/protocol/reasons.js";
import { ed25519Verify, sha256 } from "../crypto.js";
import type { Unit } from "../units.js";
import { assertBytes, assertInteger, equalBytes, toHex } from "./bytes.js";
import { type CborValue, encode } from "./cbor.js";
import { type Certificate, encodeChain, type Root, readCertificate, verifyCertificate } from "./certificate.js";
import { payloadOf, sign1, verify1 } from "./cose.js";
import { CodecError } from "./errors.js";
import { asBytes, Fields } from "./read.js";
import type { Signer, Verifier } from "./signer.js";

/** The only type of note: electronic cash. */
export const NOTE_TYPE_CASH = 1;

const VERSION = 1;
const HASH_BYTES = 32;
/** Body, or record, as a signed object. */
const SIGNED_BYTES_MAX = 256;
const SECONDS_MAX = 2 ** SECONDS_BITS - 1;
const CURRENCY_MAX = 999;
const EXPONENT_MAX = 9;
const COUNTER_MAX = 2n ** 64n - 1n;

/** What the generator signed. */
export interface NoteBody {
  readonly id: Uint8Array;
  readonly type: number;
  /** Issuing bank. */
  readonly issuer: Uint8Array;
  readonly unit: Unit;
  readonly value: bigint;
  readonly issued: number;
  /** First second at which only a teller takes the note. */
  readonly expiry: number;
  readonly finalRedemption: number;
  readonly generator: Uint8Array;
}

/** What a transferor signed. */
export interface TransferRecord {
  /** SHA-256 of the signed record, or body, before. */
  readonly before: Uint8Array;
  readonly transferee: Uint8Array;
  /** The transferor's transfer counter. */
  readonly counter: bigint;
  readonly amount: bigint;
  readonly date: number;
  readonly lock: Uint8Array;
}

/** One entry of the note: the signed record and what stands beside it. */
export interface NoteEntry {
  readonly record: Uint8Array;
  /** The transferor's; null when it stands earlier in the note. */
  readonly certificate: Uint8Array | null;
  /** Opens the lock; null when not shown. */
  readonly key: Uint8Array | null;
}

/** The five items of a note, nothing read of what they hold. `encodeNote()` makes bytes of any such parts. */
export interface NoteParts {
  readonly signedBody: Uint8Array;
  readonly generatorCertificate: Uint8Array;
  readonly entries: readonly NoteEntry[];
  /** Certificates of the security servers that issued the others. */
  readonly servers: readonly Uint8Array[];
}

export interface NoteTransfer extends NoteEntry, TransferRecord {
  /** The generator, or the transferee of the record before. */
  readonly transferor: Uint8Array;
}

export interface Note extends NoteParts {
  readonly body: NoteBody;
  /** At least one: the generator's own. */
  readonly entries: readonly NoteTransfer[];
  readonly bytes: Uint8Array;
}

/** For which receiver, and when, a note is verified. */
export interface NoteRules {
  /** The second at which it is received; undefined for "at no particular time", when expiry is not looked at. */
  readonly now: number | undefined;
  /** A teller takes notes that have expired or reached the hop limit. */
  readonly teller?: boolean;
  /** The last record's key must be shown too: a note in a wallet or for redemption, not one on offer. */
  readonly held?: boolean;
  readonly verifier?: Verifier;
}

export interface VerifiedNote {
  readonly generator: Certificate;
  /** Certificate of each transferor, the generator first. */
  readonly transferors: readonly Certificate[];
  /** The chains that vouch for the body and for each record: what a proof about one of them alone needs. */
  readonly bodyChain: Uint8Array;
  readonly chains: readonly Uint8Array[];
  /** The last transferee. */
  readonly holder: Uint8Array;
  /** What the last transfer moved. */
  readonly amount: bigint;
}

function invalid(what: string): CodecError {
  return new CodecError(`note: ${what}`, REASON_NOTE_INVALID);
}

/** Reads a note strictly. No signature, hash, key or certificate is looked at. */
export function readNote(bytes: Uint8Array): Note {
  assertBytes(bytes, "note");
  if (bytes.length > NOTE_BYTES_MAX) throw new CodecError(`note: ${bytes.length} bytes are too many`, REASON_TOO_LONG);
  const fields = Fields.decode(bytes, "note", 5);
  checkVersion(fields, "note");
  const signedBody = fields.bytes("body", 1, SIGNED_BYTES_MAX);
  const generatorCertificate = fields.bytes("generator certificate", 1, CERTIFICATE_BYTES_MAX);
  const body = readBody(signedBody);
  const entries = readEntries(fields.array("transfers"), body.generator);
  const servers = readServers(fields.array("security server certificates"));
  return { body, signedBody, generatorCertificate, entries, servers, bytes };
}

function checkVersion(fields: Fields, what: string): void {
  const version = fields.uint("version");
  if (version !== VERSION) throw invalid(`${what} of version ${version}`);
}

function readServers(fields: Fields): Uint8Array[] {
  const count = fields.left;
  if (count < 1 || count > NOTE_ISSUERS_MAX) throw new CodecError(`note: ${count} security server certificates`);
  return Array.from({ length: count }, () => fields.bytes("certificate", 1, CERTIFICATE_BYTES_MAX));
}

function readEntries(fields: Fields, generator: Uint8Array): NoteTransfer[] {
  const count = fields.left;
  if (count === 0) throw invalid("no transfer in it");
  if (count > HOPS_MAX) throw new CodecError(`note: ${count} transfers are too many`, REASON_HOP_LIMIT);
  let transferor = generator;
  return Array.from({ length: count }, () => {
    const entry = readEntry(fields.array("transfer", 3), transferor);
    transferor = entry.transferee;
    return entry;
  });
}

function readEntry(fields: Fields, transferor: Uint8Array): NoteTransfer {
  const record = fields.bytes("record", 1, SIGNED_BYTES_MAX);
  const certificate = fields.optional("certificate", (value, name) => asBytes(value, name, 1, CERTIFICATE_BYTES_MAX));
  const key = fields.optional("key", (value, name) => asBytes(value, name, HASH_BYTES));
  return { record, certificate, key, transferor, ...readRecord(record) };
}

/** Reads what a transferor signed. */
export function readRecord(record: Uint8Array): TransferRecord {
  const fields = Fields.decode(payloadOf(record), "transfer record", 7);
  checkVersion(fields, "transfer record");
  const read = {
    before: fields.bytes("hash before", HASH_BYTES),
    transferee: fields.id("transferee"),
    counter: readCounter(fields),
    amount: fields.amount("amount"),
    date: fields.uint("date", SECONDS_MAX),
    lock: fields.bytes("lock", HASH_BYTES),
  };
  if (read.amount === 0n) throw invalid("a transfer of nothing");
  // A date is what a certificate is held against, and no date would fit any certificate.
  if (read.date === 0) throw invalid("a transfer without date");
  return read;
}

function readCounter(fields: Fields): bigint {
  const value = fields.value("counter");
  if ((typeof value === "number" || typeof value === "bigint") && value >= 0) return BigInt(value);
  throw new CodecError("transfer record: the counter is no unsigned integer");
}

/** Reads what a generator signed. */
export function readBody(signedBody: Uint8Array): NoteBody {
  const fields = Fields.decode(payloadOf(signedBody), "note body", 11);
  checkVersion(fields, "note body");
  const body = {
    id: fields.id("note id"),
    type: fields.uint("type"),
    issuer: fields.id("issuer"),
    unit: { currency: fields.uint("currency"), exponent: fields.uint("exponent") },
    value: fields.amount("value"),
    issued: fields.uint("issued", SECONDS_MAX),
    expiry: fields.uint("expiry", SECONDS_MAX),
    finalRedemption: fields.uint("final redemption", SECONDS_MAX),
    generator: fields.id("generator"),
  };
  if (body.type !== NOTE_TYPE_CASH) throw invalid(`unknown type ${body.type}`);
  if (body.unit.currency > CURRENCY_MAX || body.unit.exponent > EXPONENT_MAX) throw invalid("an impossible unit");
  if (body.value === 0n) throw invalid("worth nothing");
  const ordered = body.issued > 0 && body.issued < body.expiry && body.expiry <= body.finalRedemption;
  if (!ordered) throw invalid("its dates are out of order");
  return body;
}

/**
 * Verifies a note up to the root of the modules' tree. CodecError, with the reason that a module would give, when it
 * does not hold.
 */
export function verifyNote(note: Note, root: Root, rules: NoteRules): VerifiedNote {
  if (root.tree !== TREE_MODULES) throw new RangeError("root.tree: notes belong to the modules' tree");
  if (rules.now !== undefined) assertInteger(rules.now, "rules.now", 1, SECONDS_MAX);
  const last = note.entries.at(-1);
  if (last === undefined) throw new RangeError("note.entries: a note has at least one transfer");
  checkHistory(note);
  checkKeys(note, rules.held === true);
  if (rules.teller !== true) checkTimely(note, rules.now);
  const verifier = rules.verifier ?? ed25519Verify;
  const generator = verifyBody(note, root, verifier);
  const transferors = note.entries.map((_entry, index) => verifyTransfer(note, index, root, verifier));
  return {
    generator: generator.certificate,
    transferors: transferors.map((each) => each.certificate),
    bodyChain: generator.chain,
    chains: transferors.map((each) => each.chain),
    holder: last.transferee,
    amount: last.amount,
  };
}

/** Every record follows from the one before, and none moves more than it. */
function checkHistory(note: Note): void {
  let signed = note.signedBody;
  let amount = note.body.value;
  note.entries.forEach((entry, index) => {
    if (!equalBytes(entry.before, sha256(signed))) throw invalid(`transfer ${index} follows something else`);
    if (entry.amount > amount) throw invalid(`transfer ${index} moves more than there was`);
    signed = entry.record;
    amount = entry.amount;
  });
}

/** A transfer is void until its key is shown; the one on offer shows none yet. */
function checkKeys(note: Note, held: boolean): void {
  note.entries.forEach(({ key, lock }, index) => {
    const onOffer = !held && index === note.entries.length - 1;
    if (onOffer && key !== null) throw invalid("the transfer on offer shows its key");
    if (onOffer) return;
    if (key === null) throw invalid(`transfer ${index} was never committed`);
    if (!equalBytes(sha256(key), lock)) throw invalid(`the key of transfer ${index} does not open its lock`);
  });
}

/** A module takes a note only while it can pass it on. */
function checkTimely(note: Note, now: number | undefined): void {
  if (now !== undefined && now >= note.body.expiry) {
    throw new CodecError(`note: expired at ${note.body.expiry}`, REASON_NOTE_EXPIRED);
  }
  if (note.entries.length >= HOPS_MAX) {
    throw new CodecError(`note: moved ${note.entries.length} times, a bank must renew it`, REASON_HOP_LIMIT);
  }
}

/** Who signed, and the chain that says so. */
interface Vouched {
  readonly certificate: Certificate;
  readonly chain: Uint8Array;
}

function verifyBody(note: Note, root: Root, verifier: Verifier): Vouched {
  const vouched = verifyElement(note, note.generatorCertificate, root, note.body.issued, verifier);
  const generator = vouched.certificate;
  if (generator.role !== ROLE_GENERATOR) throw wrongRole(generator);
  if (!equalBytes(generator.id, note.body.generator)) throw invalid("the generator certificate is another's");
  verify1(SIGNED_NOTE_BODY, note.signedBody, generator.signatureKey, verifier);
  return vouched;
}

function wrongRole(certificate: Certificate): CodecError {
  return new CodecError(`note: moved or made by role ${certificate.role}`, REASON_WRONG_ROLE);
}

/** The generator moves its own note once; from then on it goes between tellers and subscribers. */
function verifyTransfer(note: Note, index: number, root: Root, verifier: Verifier): Vouched {
  const entry = note.entries[index] as NoteTransfer;
  const bytes = entry.certificate ?? earlierCertificate(note, index);
  const vouched = verifyElement(note, bytes, root, entry.date, verifier);
  const transferor = vouched.certificate;
  if (!equalBytes(transferor.id, entry.transferor)) throw invalid(`the certificate of transfer ${index} is another's`);
  const roles = index === 0 ? [ROLE_GENERATOR] : [ROLE_TELLER, ROLE_TRANSACTION];
  if (!roles.includes(transferor.role)) throw wrongRole(transferor);
  verify1(SIGNED_TRANSFER, entry.record, transferor.signatureKey, verifier);
  return vouched;
}

/** The certificate that stands for a null: the latest before it of the same subject, for it may have been renewed. */
function earlierCertificate(note: Note, index: number): Uint8Array {
  const { transferor } = note.entries[index] as NoteTransfer;
  const same = note.entries
    .slice(0, index)
    .findLast((entry) => entry.certificate !== null && equalBytes(entry.transferor, transferor));
  if (same?.certificate) return same.certificate;
  if (equalBytes(note.body.generator, transferor)) return note.generatorCertificate;
  throw invalid(`transfer ${index} lacks its transferor's certificate`);
}

/** A certificate of this note under any of its security servers of that name, for the second of a signature. */
function verifyElement(note: Note, bytes: Uint8Array, root: Root, date: number, verifier: Verifier): Vouched {
  const { issuer } = readCertificate(bytes);
  const servers = note.servers.filter((server) => equalBytes(readServer(server).id, issuer));
  let refusal: CodecError = invalid(`nobody vouches for the security server ${toHex(issuer)}`);
  for (const server of servers) {
    try {
      const { device } = verifyCertificate(bytes, server, root, date, verifier);
      return { certificate: device, chain: encodeChain(bytes, server) };
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

function readServer(server: Uint8Array): Certificate {
  try {
    return readCertificate(server);
  } catch (error) {
    if (error instanceof CodecError) throw invalid(`security server ${error.message}`);
    throw error;
  }
}

/** A generator, teller or subscriber that signs. */
export interface NoteSigner {
  readonly id: Uint8Array;
  readonly certificate: Uint8Array;
  /** Its security server's certificate. */
  readonly server: Uint8Array;
  readonly signer: Signer;
}

/** What a generator states in a new note. */
export type NoteDraft = Omit<NoteBody, "type" | "generator"> & Partial<Pick<NoteBody, "type" | "generator">>;

/** What a transferor states; what is left out follows from the note. */
export interface TransferDraft {
  readonly by: NoteSigner;
  readonly to: Uint8Array;
  readonly counter: bigint | number;
  readonly amount: bigint;
  readonly date: number;
  /** The secret whose hash is the lock. */
  readonly key: Uint8Array;
  readonly before?: Uint8Array;
  readonly lock?: Uint8Array;
}

/**
 * A note and its transfers, as honest elements would write them if the drafts are honest: all keys are shown but the last.
 * Nothing is verified here, so that a test can make a note that must be refused: by a draft, or by taking parts with
 * `mintNote()` and `addTransfer()` or from `readNote()`, changing them, and encoding them with `encodeNote()`.
 */
export function buildNote(draft: NoteDraft, generator: NoteSigner, transfers: readonly TransferDraft[]): Uint8Array {
  let parts = mintNote(draft, generator);
  let key: Uint8Array | null = null;
  for (const transfer of transfers) {
    parts = addTransfer(key === null ? parts : showKey(parts, key), transfer);
    key = transfer.key;
  }
  return encodeNote(parts);
}

/** A signed body, not yet transferred. */
export function mintNote(draft: NoteDraft, generator: NoteSigner): NoteParts {
  const body = { type: NOTE_TYPE_CASH, generator: generator.id, ...draft };
  const signedBody = sign1(SIGNED_NOTE_BODY, encode(bodyFields(body)), generator.signer);
  return { signedBody, generatorCertificate: generator.certificate, entries: [], servers: [generator.server] };
}

function bodyFields(body: NoteBody): CborValue[] {
  const { currency, exponent } = body.unit;
  const made = [VERSION, body.id, body.type, body.issuer, currency, exponent, body.value];
  return [...made, body.issued, body.expiry, body.finalRedemption, body.generator];
}

/** The note with one more transfer, whose key is not shown. */
export function addTransfer(parts: NoteParts, draft: TransferDraft): NoteParts {
  assertBytes(draft.key, "transfer.key", HASH_BYTES);
  if (draft.counter < 0 || draft.counter > COUNTER_MAX) throw new RangeError("transfer.counter: beyond 64 bits");
  const record = signTransfer(
    {
      before: draft.before ?? sha256(parts.entries.at(-1)?.record ?? parts.signedBody),
      transferee: draft.to,
      counter: BigInt(draft.counter),
      amount: draft.amount,
      date: draft.date,
      lock: draft.lock ?? sha256(draft.key),
    },
    draft.by.signer,
  );
  const { certificate, server } = draft.by;
  const present = [parts.generatorCertificate, ...parts.entries.map((entry) => entry.certificate)];
  const named = present.some((other) => other !== null && equalBytes(other, certificate));
  const entries = [...parts.entries, { record, certificate: named ? null : certificate, key: null }];
  const known = parts.servers.some((other) => equalBytes(other, server));
  return { ...parts, entries, servers: known ? parts.servers : [...parts.servers, server] };
}

/** A transfer record as a signed object. */
export function signTransfer(record: TransferRecord, signer: Signer): Uint8Array {
  const { before, transferee, counter, amount, date, lock } = record;
  return sign1(SIGNED_TRANSFER, encode([VERSION, before, transferee, counter, amount, date, lock]), signer);
}

/** The note with the key of its last transfer shown: what its payee keeps after the commit. */
export function showKey(parts: NoteParts, key: Uint8Array): NoteParts {
  const last = parts.entries.at(-1);
  if (last === undefined) throw new RangeError("note.entries: nothing was transferred");
  return { ...parts, entries: [...parts.entries.slice(0, -1), { ...last, key }] };
}

/** The bytes of a note, whatever its parts hold. */
export function encodeNote(parts: NoteParts): Uint8Array {
  const entries = parts.entries.map(({ record, certificate, key }) => [record, certificate, key]);
  return encode([VERSION, parts.signedBody, parts.generatorCertificate, entries, parts.servers]);
}
