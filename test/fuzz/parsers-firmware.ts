/** The firmware's parsers, instrumented, beside the host's: the same bytes get the same verdict from both. */

import { SIGNED_NOTE_BODY } from "../../firmware/protocol/kinds.js";
import { REASON_RECEIPT_INVALID } from "../../firmware/protocol/reasons.js";
import { toHex } from "../../host/codec/bytes.js";
import { decode, encode } from "../../host/codec/cbor.js";
import { decodeChain, type Root, readCertificate, verifyChain } from "../../host/codec/certificate.js";
import { verify1 } from "../../host/codec/cose.js";
import { CodecError } from "../../host/codec/errors.js";
import { readNote } from "../../host/codec/note.js";
import { readApproval } from "../../host/codec/receipt.js";
import { readTicket, validateTicket } from "../../host/codec/ticket.js";
import { NOW, signerOf } from "../support/agencies.js";
import { type LoadedModule, loadModule } from "../support/firmware.js";
import { ParserTarget, same } from "./parsers.js";
import { CBOR_SAMPLES, makeSamples } from "./samples.js";
import { FEATURES_A_BLOCK, Finding, type Target } from "./target.js";

/** Blocks of one module's code are told apart from another's by this. */
const BLOCKS_A_MODULE = 100_000;
const BLOCKS_MAX = 5_000_000;

/** Reason of the host's refusal, 0 when it takes the bytes. */
function hostReason(work: () => unknown): number {
  try {
    work();
    return 0;
  } catch (error) {
    if (error instanceof CodecError) return error.reason;
    throw error;
  }
}

type Module = LoadedModule<Record<string, (...values: (number | bigint)[]) => number>>;

/** A parser of the firmware beside the host's: one verdict. */
class FirmwareParser extends ParserTarget {
  readonly #counts = new Map<number, number>();
  #budget = 0;
  readonly #chip: Verdicts[2];
  readonly #host: Verdicts[3];
  readonly #anyReason: boolean;
  #module!: Module;

  private constructor(
    private readonly index: number,
    [name, good, chip, host, anyReason]: Verdicts,
  ) {
    super(`firmware/${name}`, good);
    this.#chip = chip;
    this.#host = host;
    this.#anyReason = anyReason === true;
  }

  /** The first word of the name is the module's. `chip` answers a negative reason for what it refuses. */
  static async load(index: number, ...parts: Verdicts): Promise<FirmwareParser> {
    const made = new FirmwareParser(index, parts);
    const module = parts[0].split(" ")[0] as string;
    made.#module = await loadModule(module, undefined, "instrumented", (block) => made.#count(block));
    return made;
  }

  #count(block: number): number {
    this.#counts.set(block, (this.#counts.get(block) ?? 0) + 1);
    this.#budget -= 1;
    if (this.#budget < 0) throw new Finding("endless", "the parser ran on and on");
    return 0;
  }

  protected parse(bytes: Uint8Array, reached: (feature: number) => void): void {
    this.#counts.clear();
    this.#budget = BLOCKS_MAX;
    this.#module.release();
    const said = -Math.min(0, this.#chip(this.#module, bytes));
    for (const [block, count] of this.#counts) {
      const times = Math.min(FEATURES_A_BLOCK - 1, Math.floor(Math.log2(count)));
      reached((this.index * BLOCKS_A_MODULE + block) * FEATURES_A_BLOCK + times);
    }
    const host = hostReason(() => this.#host(bytes));
    const agree = this.#anyReason ? (said === 0) === (host === 0) : said === host;
    if (!agree) throw new Finding("verdict", `firmware says ${said}, host ${host}, of ${toHex(bytes)}`);
  }
}

type Verdicts = [
  name: string,
  good: readonly Uint8Array[],
  chip: (module: Module, bytes: Uint8Array) => number,
  host: (bytes: Uint8Array) => unknown,
  /** Both refuse, but may begin to look at another end: which reason is given does not count. */
  anyReason?: true,
];

/** Addresses, or an address and a length, as a module's functions take them. */
const at = (module: Module, bytes: Uint8Array): [number, number] => [module.write(bytes), bytes.length];
const rootAt = (module: Module, { id, publicKey }: Root): [number, number] => [
  module.write(id),
  module.write(publicKey),
];

export async function firmwareParsers(): Promise<Target[]> {
  const samples = makeSamples();
  const { agents, customer, merchant, network, tickets } = samples;
  const { root } = agents;
  const now = BigInt(NOW);
  const chains = [customer.chain, merchant.chain, network.chain];
  const certificates = chains.flatMap((chain) => Object.values(decodeChain(chain)));
  const body = readNote(samples.note).signedBody;
  const signer = signerOf(1).publicKey;
  const ticketVerdict = (module: Module, bytes: Uint8Array): number => {
    const read = module.call("read", ...at(module, bytes));
    return read < 0 ? read : module.call("validate", ...rootAt(module, root), now, module.write(customer.id));
  };
  const all: Verdicts[] = [
    [
      "cbor",
      CBOR_SAMPLES,
      (m, bytes) => m.call("skipAll", ...at(m, bytes)),
      (bytes) => same(bytes, encode(decode(bytes))),
    ],
    ["certificate", certificates, (m, bytes) => m.call("read", ...at(m, bytes)), readCertificate],
    [
      "certificate chain",
      chains,
      (m, bytes) => m.call("verifyChain", ...at(m, bytes), ...rootAt(m, root), root.tree, now),
      (bytes) => verifyChain(bytes, root, NOW),
    ],
    [
      "cose",
      [body, ...certificates],
      (m, bytes) => m.call("coseVerify", SIGNED_NOTE_BODY, ...at(m, bytes), m.write(signer)),
      (bytes) => verify1(SIGNED_NOTE_BODY, bytes, signer),
    ],
    ["ticket", tickets, ticketVerdict, (bytes) => validateTicket(readTicket(bytes), root, NOW, customer.id), true],
    ["receipt of a ticket", tickets, (m, bytes) => m.call("readReceipt", ...at(m, bytes)), receiptOf, true],
    ["receipt approval", [samples.approval], (m, bytes) => m.call("readApproval", ...at(m, bytes)), readApproval, true],
    ["note", [samples.note, samples.longer], (m, bytes) => m.call("read", ...at(m, bytes)), readNote, true],
  ];
  return Promise.all(all.map((each, index) => FirmwareParser.load(index, ...each)));
}

function receiptOf(bytes: Uint8Array): void {
  const { components } = readTicket(bytes);
  if (components.kind !== "receipt") throw new CodecError("it is another ticket", REASON_RECEIPT_INVALID);
}
