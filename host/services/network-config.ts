/**
 * The configuration file of the network's process, as JSON. Amounts are decimal strings of minor units, because JSON's
 * numbers lose cents above 2^53; identifiers and keys are hex.
 */

import { TREE_AGENTS } from "../../firmware/protocol/kinds.js";
import { fromHex, toHex } from "../codec/bytes.js";
import type { Root } from "../codec/certificate.js";
import type { NetworkSetup } from "./network-tables.js";

export interface NetworkConfig {
  readonly root: Root;
  /** Seed of the network's Ed25519 key. Keep the file as you would the key. */
  readonly keySeed: Uint8Array;
  /** The network's certificate and its security server's. */
  readonly chain: Uint8Array;
  readonly exponents: ReadonlyMap<number, number>;
  readonly approvalDays: number;
  readonly suspenseAfter_seconds: bigint;
  readonly sweepEvery_ms: number;
  readonly setup: NetworkSetup;
}

/** The configuration as it stands in a file. */
export function networkConfigText(config: NetworkConfig): string {
  const { root, keySeed, chain, exponents, ...rest } = config;
  const plain = {
    root: { id: toHex(root.id), publicKey: toHex(root.publicKey) },
    keySeed: toHex(keySeed),
    chain: toHex(chain),
    exponents: Object.fromEntries(exponents),
    ...rest,
  };
  return JSON.stringify(plain, (_key, value) => (typeof value === "bigint" ? value.toString() : value), 2);
}

export class NetworkConfigError extends Error {
  constructor(what: string) {
    super(`The configuration of the card network does not fit: ${what}. The network was not started.`);
    this.name = "NetworkConfigError";
  }
}

type Json = Record<string, unknown>;

export function readNetworkConfig(text: string): NetworkConfig {
  const file = objectOf(parse(text), "the file");
  const root = objectOf(file.root, "root");
  return {
    root: { tree: TREE_AGENTS, id: bytesOf(root.id, "root.id"), publicKey: bytesOf(root.publicKey, "root.publicKey") },
    keySeed: bytesOf(file.keySeed, "keySeed"),
    chain: bytesOf(file.chain, "chain"),
    exponents: new Map(
      Object.entries(objectOf(file.exponents, "exponents")).map(([currency, exponent]) => [
        Number(currency),
        numberOf(exponent, "exponents"),
      ]),
    ),
    approvalDays: numberOf(file.approvalDays, "approvalDays"),
    suspenseAfter_seconds: amountOf(file.suspenseAfter_seconds, "suspenseAfter_seconds"),
    sweepEvery_ms: numberOf(file.sweepEvery_ms, "sweepEvery_ms"),
    setup: setupOf(objectOf(file.setup, "setup")),
  };
}

function setupOf(setup: Json): NetworkSetup {
  return {
    routes: listOf(setup.routes, "routes").map((each) => ({
      bin: textOf(each.bin, "routes.bin"),
      bank: textOf(each.bank, "routes.bank"),
    })),
    accounts: listOf(setup.accounts, "accounts").map((each) => {
      const unit = objectOf(each.unit, "accounts.unit");
      return {
        bank: textOf(each.bank, "accounts.bank"),
        number: textOf(each.number, "accounts.number"),
        unit: {
          currency: numberOf(unit.currency, "unit.currency"),
          exponent: numberOf(unit.exponent, "unit.exponent"),
        },
        opening: amountOf(each.opening, "accounts.opening"),
      };
    }),
    cards: listOf(setup.cards, "cards").map((each) => ({
      bank: textOf(each.bank, "cards.bank"),
      number: textOf(each.number, "cards.number"),
      account: textOf(each.account, "cards.account"),
      expiry: textOf(each.expiry, "cards.expiry"),
      holder: textOf(each.holder, "cards.holder"),
      status: statusOf(each.status),
      dailyLimit: amountOf(each.dailyLimit, "cards.dailyLimit"),
    })),
    merchants: listOf(setup.merchants, "merchants").map((each) => {
      const settlement = objectOf(each.settlement, "merchants.settlement");
      if (!Array.isArray(each.agents)) throw new NetworkConfigError("merchants.agents is not a list");
      return {
        acquirer: textOf(each.acquirer, "merchants.acquirer"),
        merchant: textOf(each.merchant, "merchants.merchant"),
        settlement: {
          bank: textOf(settlement.bank, "settlement.bank"),
          number: textOf(settlement.number, "settlement.number"),
        },
        agents: each.agents.map((agent) => textOf(agent, "merchants.agents")),
      };
    }),
    rates: listOf(setup.rates, "rates").map((each) => ({
      accountCurrency: numberOf(each.accountCurrency, "rates.accountCurrency"),
      currency: numberOf(each.currency, "rates.currency"),
      numerator: amountOf(each.numerator, "rates.numerator"),
      decimals: numberOf(each.decimals, "rates.decimals"),
    })),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new NetworkConfigError("it is not JSON"); // The parser's own words would quote the file, which holds a key.
  }
}

function objectOf(value: unknown, name: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new NetworkConfigError(`${name} is not an object`);
  }
  return value as Json;
}

function listOf(value: unknown, name: string): Json[] {
  if (!Array.isArray(value)) throw new NetworkConfigError(`${name} is not a list`);
  return value.map((each) => objectOf(each, name));
}

function textOf(value: unknown, name: string): string {
  if (typeof value !== "string" || value.length === 0) throw new NetworkConfigError(`${name} is not text`);
  return value;
}

function numberOf(value: unknown, name: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new NetworkConfigError(`${name} is not a whole number`);
  }
  return value;
}

function amountOf(value: unknown, name: string): bigint {
  if (typeof value !== "string" || !/^[0-9]{1,18}$/.test(value)) {
    throw new NetworkConfigError(`${name} is not an amount in decimal digits`);
  }
  return BigInt(value);
}

function bytesOf(value: unknown, name: string): Uint8Array {
  const digits = textOf(value, name);
  if (!/^(?:[0-9a-f]{2})+$/.test(digits)) throw new NetworkConfigError(`${name} is not hexadecimal`);
  return fromHex(digits);
}

function statusOf(value: unknown): "active" | "blocked" | "stolen" {
  if (value === "active" || value === "blocked" || value === "stolen") return value;
  throw new NetworkConfigError("cards.status is none of active, blocked, stolen");
}
