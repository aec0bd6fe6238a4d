/** A typed client of one element, a money module, a trusted agent or a purse: one method for each command of `docs/APDU.md`. */

import * as p from "../firmware/protocol/apdu.js";
import { ApduClient, type Command, EXTENDED_ANSWER_BYTES_MAX, type Response, SHORT_ANSWER_BYTES_MAX } from "./apdu.js";
import { aidOf } from "./applets.js";
import { toHex } from "./codec/bytes.js";
import { type CborValue, decode } from "./codec/cbor.js";
import {
  type Balance,
  type Counters,
  type Information,
  type LogEntry,
  type NoteSummary,
  type Pending,
  readBalances,
  readCounters,
  readInformation,
  readIssued,
  readLimits,
  readLogEntry,
  readNote,
  readPending,
  readStoreState,
  readTicketSummary,
  type SpendingLimit,
  type SpendingState,
  type StoreState,
  type TicketSummary,
} from "./element-data.js";
import { StatusWordError } from "./status-words.js";
import { TlvReader } from "./tlv.js";
import { type Transport, TransportError } from "./transport.js";
import { AMOUNT_MAX, type Money } from "./units.js";

const FCI_TEMPLATE = 0x6f;
const FCI_PROPRIETARY = 0xa5;
const RECORDS_MAX = 255;
/** A lost answer is asked for again this many times. The element recognises a repeated envelope and answers as before. */
const REPEATS_MAX = 3;
/** More envelopes than this in answer to one is no answer of ours. */
const ENVELOPES_MAX = 64;

export class Element {
  readonly client: ApduClient;
  readonly applet: number;
  #information: Information | undefined;

  private constructor(client: ApduClient, applet: number) {
    this.client = client;
    this.applet = applet;
  }

  /** Selects the applet on a card. */
  static async select(transport: Transport, applet: number): Promise<Element> {
    const element = new Element(new ApduClient(transport), applet);
    await element.select();
    return element;
  }

  /** Selects again, as after power-up. */
  async select(): Promise<Information> {
    const name = { cla: p.CLA_ISO, ins: p.INS_SELECT, p1: 4, p2: 0, data: aidOf(this.applet) };
    const fci = await this.#ask(name, SHORT_ANSWER_BYTES_MAX);
    const proprietary = new TlvReader(new TlvReader(fci).bytes(FCI_TEMPLATE)).bytes(FCI_PROPRIETARY);
    this.#information = readInformation(new TlvReader(proprietary).bytes(p.TAG_INFORMATION));
    return this.#information;
  }

  /** What the element last said of itself. */
  get known(): Information {
    if (this.#information === undefined) throw new Error("the element was not selected");
    return this.#information;
  }

  /** Subject id; an element before personalisation has none, and a purse says it only to who has its PIN. */
  get id(): Uint8Array {
    const { id, life } = this.known;
    if (id !== undefined) return id;
    if (this.applet === p.AID_PURSE && life >= p.LIFE_PERSONALISED)
      throw new Error("The purse says whose it is only to its owner. Its tokens are safe. Give it the PIN first.");
    throw new Error("The chip has no identity yet. No money is in it. Personalise it first.");
  }

  get idHex(): string {
    return toHex(this.id);
  }

  /** Power off and on, then SELECT. PIN and date are to be given again. */
  async restart(): Promise<void> {
    await this.client.transport.reset();
    await this.select();
  }

  // Owner.

  async verifyPin(digits: string): Promise<void> {
    await this.#tell(p.CLA_ISO, p.INS_VERIFY, 0, p.REFERENCE_PIN, ascii(digits));
    // A purse says who it is only now.
    if (this.applet === p.AID_PURSE) await this.information();
  }

  async pinTriesLeft(): Promise<number> {
    const { status } = await this.client.exchange({ cla: p.CLA_ISO, ins: p.INS_VERIFY, p1: 0, p2: p.REFERENCE_PIN });
    if (status === p.SW_OK) return (await this.counters()).pinTries;
    const tries = new StatusWordError(status, p.INS_VERIFY).triesLeft;
    if (tries === undefined) throw new StatusWordError(status, p.INS_VERIFY);
    return tries;
  }

  async changePin(oldDigits: string, newDigits: string): Promise<void> {
    await this.#tell(p.CLA_ISO, p.INS_CHANGE_REFERENCE_DATA, 0, p.REFERENCE_PIN, twoReferences(oldDigits, newDigits));
  }

  async unblockPin(pukDigits: string, newDigits: string): Promise<void> {
    await this.#tell(p.CLA_ISO, p.INS_RESET_RETRY_COUNTER, 0, p.REFERENCE_PIN, twoReferences(pukDigits, newDigits));
  }

  /** Gives the element date and time until its next power-off. */
  async open(now_seconds: bigint): Promise<void> {
    const date = new Uint8Array(8);
    new DataView(date.buffer).setBigUint64(0, now_seconds);
    await this.#tell(p.CLA_OWN, p.INS_OPEN, 0, 0, date);
  }

  /**
   * Sets both spending limits of a unit; two zeros remove them, and the count with them. The PIN is asked for each time. All
   * that the module pays counts, deposits too; only what it brings to a bank to be refreshed does not.
   */
  async setLimit(pinDigits: string, limit: SpendingLimit): Promise<void> {
    const data = spendingOrder(pinDigits, limit);
    await this.#tell(p.CLA_ISO, p.INS_PUT_DATA, p.PUT_DATA_LIMIT >> 8, p.PUT_DATA_LIMIT & 0xff, data);
  }

  async limits(): Promise<SpendingState[]> {
    return readLimits(await this.getData(p.TAG_LIMITS));
  }

  // What it holds.

  async information(): Promise<Information> {
    this.#information = readInformation(await this.getData(p.TAG_INFORMATION));
    return this.#information;
  }

  chain(): Promise<Uint8Array> {
    return this.getData(p.TAG_CHAIN);
  }

  async store(): Promise<StoreState> {
    return readStoreState(await this.getData(p.TAG_STORE));
  }

  async counters(): Promise<Counters> {
    return readCounters(await this.getData(p.TAG_COUNTERS));
  }

  digest(): Promise<Uint8Array> {
    return this.getData(p.TAG_DIGEST);
  }

  async balances(): Promise<Balance[]> {
    return readBalances(await this.getData(p.TAG_BALANCE));
  }

  async pending(): Promise<Pending[]> {
    return readPending(await this.getData(p.TAG_PENDING));
  }

  async issued(): Promise<Money[]> {
    return readIssued(await this.getData(p.TAG_ISSUED));
  }

  async log(): Promise<LogEntry[]> {
    return (await this.records(p.FILE_LOG)).map(readLogEntry);
  }

  /** Sequence number that the next log entry will have. */
  async nextLogSequence(): Promise<number> {
    const newest = await this.record(p.FILE_LOG, 1);
    return newest === undefined ? 0 : readLogEntry(newest).sequence + 1;
  }

  async notes(): Promise<NoteSummary[]> {
    return (await this.records(p.FILE_NOTES)).map(readNote);
  }

  async tickets(): Promise<TicketSummary[]> {
    return (await this.records(p.FILE_TICKETS)).map(readTicketSummary);
  }

  /** Value of a data object; 6A88 when there is none. */
  async getData(tag: number): Promise<Uint8Array> {
    const command = { cla: p.CLA_ISO, ins: p.INS_GET_DATA, p1: tag >> 8, p2: tag & 0xff };
    return new TlvReader(await this.#ask(command, EXTENDED_ANSWER_BYTES_MAX)).bytes(tag);
  }

  /** Every record of a file, from number 1 to the first that is missing. */
  async records(file: number): Promise<CborValue[]> {
    const records: CborValue[] = [];
    for (let number = 1; number <= RECORDS_MAX; number += 1) {
      const record = await this.record(file, number);
      if (record === undefined) break;
      records.push(record);
    }
    return records;
  }

  /** One record; undefined when there is none of that number. */
  async record(file: number, number: number): Promise<CborValue | undefined> {
    const command = { cla: p.CLA_ISO, ins: p.INS_READ_RECORD, p1: number, p2: (file << 3) | 4 };
    const response = await this.client.exchange({ ...command, answerBytesMax: EXTENDED_ANSWER_BYTES_MAX });
    if (response.status === p.SW_RECORD_NOT_FOUND) return undefined;
    if (response.status !== p.SW_OK) throw new StatusWordError(response.status, command.ins);
    return decode(response.data);
  }

  // Envelopes.

  /**
   * Delivers an envelope and fetches everything the element has to say to it; the first comes with its answer. What was lost on the way is repeated: the
   * element knows a repeated message of its peer or partner, and a command that it has already carried out it refuses,
   * and then offers its answer again.
   */
  deliver(envelope: Uint8Array): Uint8Array[] | Promise<Uint8Array[]> {
    try {
      const taken = this.#envelope(envelope);
      // What nearly every answer is: one envelope, or none, and the transport had it at once.
      if (!(taken instanceof Promise) && !isFetch(taken.status)) return envelopesOf(taken);
      return this.#delivered(envelope, taken);
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      return this.#deliverAgain(envelope, error);
    }
  }

  async #delivered(envelope: Uint8Array, taken: Response | Promise<Response>): Promise<Uint8Array[]> {
    try {
      return await this.#fetchAll(await taken);
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      return this.#deliverAgain(envelope, error);
    }
  }

  async #deliverAgain(envelope: Uint8Array, lost: TransportError): Promise<Uint8Array[]> {
    let taken: Response;
    try {
      taken = await this.#repeating(() => this.#envelope(envelope), lost);
    } catch (error) {
      if (!(error instanceof StatusWordError)) throw error;
      return this.#fetchAll(undefined).catch(() => {
        throw error;
      });
    }
    return this.#fetchAll(taken);
  }

  /** Fetches the last answer again from its first envelope. */
  async fetchAgain(): Promise<Uint8Array[]> {
    return this.#fetchAll(undefined);
  }

  /** What the element says: `first` is its answer to ENVELOPE, or undefined to have everything again. */
  async #fetchAll(first: Response | undefined): Promise<Uint8Array[]> {
    const envelopes = first === undefined ? [] : envelopesOf(first);
    let again = first === undefined;
    let waiting = first === undefined || isFetch(first.status);
    while (waiting) {
      if (envelopes.length > ENVELOPES_MAX) throw new RangeError("an element that never stops talking");
      const fetched = this.#fetchOrRestart(again, envelopes);
      const response = fetched instanceof Promise ? await fetched : fetched;
      again = false;
      if (response.data.length > 0) envelopes.push(response.data);
      waiting = isFetch(response.status);
    }
    return envelopes;
  }

  /** One FETCH; if its answer is lost everything is fetched again from the first, for nobody knows what was taken. */
  #fetchOrRestart(again: boolean, taken: Uint8Array[]): Response | Promise<Response> {
    const restart = (error: unknown) => {
      if (!(error instanceof TransportError)) throw error;
      taken.length = 0;
      return this.#repeating(() => this.#fetch(true), error);
    };
    try {
      const fetched = this.#fetch(again);
      return fetched instanceof Promise ? fetched.catch(restart) : fetched;
    } catch (error) {
      return restart(error);
    }
  }

  #envelope(data: Uint8Array): Response | Promise<Response> {
    const command = { cla: p.CLA_OWN, ins: p.INS_ENVELOPE, p1: 0, p2: 0, data };
    return this.client.sendNow({ ...command, answerBytesMax: EXTENDED_ANSWER_BYTES_MAX });
  }

  #fetch(again: boolean): Response | Promise<Response> {
    const p1 = again ? 1 : 0;
    return this.client.sendNow({
      cla: p.CLA_OWN,
      ins: p.INS_FETCH,
      p1,
      p2: 0,
      answerBytesMax: EXTENDED_ANSWER_BYTES_MAX,
    });
  }

  /** Tries again what was lost; when that does not help, the first loss is the one that says why. */
  async #repeating(work: () => Response | Promise<Response>, lost: TransportError): Promise<Response> {
    for (let repeats = 0; repeats < REPEATS_MAX; repeats += 1) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof TransportError)) throw error;
      }
    }
    throw lost;
  }

  // From the agencies, by any host.

  /** [signed list, security server's certificate]. */
  async putList(list: Uint8Array): Promise<void> {
    await this.#tell(p.CLA_ISO, p.INS_PUT_DATA, p.PUT_DATA_LIST >> 8, p.PUT_DATA_LIST & 0xff, list);
  }

  // Personalisation.

  async putKey(key: Uint8Array): Promise<void> {
    await this.#tell(p.CLA_OWN, p.INS_PUT_KEY, 0, 0, key);
  }

  challenge(): Promise<Uint8Array> {
    return this.#ask({ cla: p.CLA_ISO, ins: p.INS_GET_CHALLENGE, p1: 0, p2: 0 }, SHORT_ANSWER_BYTES_MAX);
  }

  async externalAuthenticate(proof: Uint8Array): Promise<void> {
    await this.#tell(p.CLA_ISO, p.INS_EXTERNAL_AUTHENTICATE, 0, 0, proof);
  }

  /** Makes the element's keys; the answer is its certificate request. */
  generateKeyPair(subject: Uint8Array, role: number, issuerAgreementKey: Uint8Array): Promise<Uint8Array> {
    const data = Uint8Array.of(...subject, role, ...issuerAgreementKey);
    return this.#ask({ cla: p.CLA_ISO, ins: p.INS_GENERATE_KEY_PAIR, p1: 0, p2: 0, data }, EXTENDED_ANSWER_BYTES_MAX);
  }

  async storeData(what: number, data: Uint8Array): Promise<void> {
    await this.#tell(p.CLA_OWN, p.INS_STORE_DATA, 0, what, data);
  }

  async setStatus(state: number): Promise<void> {
    await this.client.send({ cla: p.CLA_OWN, ins: p.INS_SET_STATUS, p1: 0, p2: state });
  }

  async #tell(cla: number, ins: number, p1: number, p2: number, data: Uint8Array): Promise<void> {
    await this.client.send({ cla, ins, p1, p2, data });
  }

  async #ask(command: Command, answerBytesMax: number): Promise<Uint8Array> {
    const extended = this.client.transport.extendedLength ? answerBytesMax : SHORT_ANSWER_BYTES_MAX;
    return (await this.client.send({ ...command, answerBytesMax: extended })).data;
  }
}

/** The envelope that came with an answer. */
function envelopesOf({ data }: Response): Uint8Array[] {
  return data.length > 0 ? [data] : [];
}

function isFetch(status: number): boolean {
  return (status & 0xff00) === p.SW_FETCH;
}

function ascii(digits: string): Uint8Array {
  if (!/^\d+$/.test(digits)) throw new RangeError("digits: a PIN or PUK is digits only");
  return new TextEncoder().encode(digits);
}

/** Length of the first, the first, the second. */
function twoReferences(first: string, second: string): Uint8Array {
  const bytes = ascii(first);
  return Uint8Array.of(bytes.length, ...bytes, ...ascii(second));
}

/** Length of the PIN, its digits, currency (2), exponent (1), most for one payment (8), most for one day (8). */
function spendingOrder(pinDigits: string, { unit, payment, day }: SpendingLimit): Uint8Array {
  for (const amount of [payment, day]) {
    if (amount < 0n || amount > AMOUNT_MAX) throw new RangeError("limit: it is no amount that can be paid");
  }
  const digits = ascii(pinDigits);
  const order = new Uint8Array(19);
  const view = new DataView(order.buffer);
  view.setUint16(0, unit.currency);
  view.setUint8(2, unit.exponent);
  view.setBigUint64(3, payment);
  view.setBigUint64(11, day);
  return Uint8Array.of(digits.length, ...digits, ...order);
}
