/**
 * What a home remembers of its token halves beside chips and books: the keys of its mint, of its authorization service and of
 * its sellers, and whose purse is which. It is a file of its own, made when it is first needed: a home that was made before
 * there were token halves has it from then on.
 */

import { ROLE_MINT } from "../../firmware/protocol/kinds.js";
import { fromHex, toHex } from "../codec/bytes.js";
import { ed25519KeyPair, x25519KeyPair } from "../crypto.js";
import type { PersonalisationRecord } from "../provision.js";
import { type RandomSource, randomBytes } from "../randomness.js";
import type { Site } from "./site.js";
import { WorldStateError } from "./state.js";

const FILE = "tokens.json";
const VERSION = 1;

/** Host software with its keys in a file, in hexadecimal. */
export interface KeySeeds {
  readonly signatureSeed: string;
  readonly agreementSecret: string;
}

export interface IssuerRecord extends KeySeeds {
  readonly id: string;
  readonly chain: string;
}

export interface SellerRecord extends KeySeeds {
  readonly name: string;
  readonly title: string;
}

export interface PurseOwnerRecord {
  /** The owner's. */
  readonly name: string;
  readonly pin: string;
  readonly puk: string;
  readonly purse: PersonalisationRecord;
}

/** Name of an owner's purse among the home's chips. */
export function purseChipName(owner: string): string {
  return `${owner}.purse`;
}

export interface TokenState {
  readonly version: typeof VERSION;
  /** The bank's. */
  readonly mint: IssuerRecord;
  /** Authorizations. */
  readonly clearance: IssuerRecord;
  readonly sellers: readonly SellerRecord[];
  readonly purses: readonly PurseOwnerRecord[];
}

export const MINT_NAME = "Tally Mint";
export const CLEARANCE_NAME = "Tally Clearance";
/** Whoever sells for token halves in the sandbox. */
const SELLERS = [{ name: "gazette", title: "The Harbour Gazette" }] as const;

/** Reads the file, or makes it: nobody else works with the home's settings meanwhile. */
export async function tokenState(site: Site): Promise<TokenState> {
  const known = readTokenState(site);
  if (known !== undefined) return known;
  return site.parts.home.withClaim("settings", async () => readTokenState(site) ?? makeTokenState(site));
}

function makeTokenState(site: Site): TokenState {
  const { random, clock } = site.parts;
  const issuer = (name: string): IssuerRecord => {
    const keys = newKeys(random);
    const id = randomBytes(random, 16);
    const subject = { id, role: ROLE_MINT, ...publicKeys(keys) };
    return {
      ...keys,
      id: toHex(id),
      chain: toHex(site.agencies.agents.issue(subject, Number(clock.now_seconds()), name)),
    };
  };
  const made: TokenState = {
    version: VERSION,
    mint: issuer(MINT_NAME),
    clearance: issuer(CLEARANCE_NAME),
    sellers: SELLERS.map((seller) => ({ ...seller, ...newKeys(random) })),
    purses: [],
  };
  writeTokenState(site, made);
  return made;
}

/** Undefined where there is none yet. */
export function readTokenState({ parts: { home } }: Site): TokenState | undefined {
  const text = home.read(FILE);
  if (text === undefined) return undefined;
  let state: Partial<TokenState> | null;
  try {
    state = JSON.parse(text) as Partial<TokenState> | null;
  } catch {
    throw new WorldStateError(home.place, `${FILE} is not JSON`); // The parser's own words would quote a key.
  }
  if (state?.version !== VERSION)
    throw new WorldStateError(home.place, `the version of ${FILE} is ${String(state?.version)}`);
  const { mint, clearance, sellers, purses } = state;
  const isWhole =
    [mint, clearance].every((issuer) => hasKeys(issuer) && isHex(issuer?.id) && isHex(issuer?.chain)) &&
    Array.isArray(sellers) &&
    sellers.every((seller) => hasKeys(seller) && typeof seller.name === "string") &&
    Array.isArray(purses) &&
    purses.every((each) => [each?.name, each?.pin, each?.puk].every(isText) && isHex(each.purse?.id));
  if (!isWhole) throw new WorldStateError(home.place, `${FILE} is not as this program writes it`);
  return state as TokenState;
}

export function writeTokenState({ parts: { home } }: Site, state: TokenState): void {
  home.write(FILE, `${JSON.stringify(state, undefined, 2)}\n`);
}

function newKeys(random: RandomSource): KeySeeds {
  return { signatureSeed: toHex(randomBytes(random, 32)), agreementSecret: toHex(randomBytes(random, 32)) };
}

export function publicKeys({ signatureSeed, agreementSecret }: KeySeeds) {
  return {
    signatureKey: ed25519KeyPair(fromHex(signatureSeed)).publicKey,
    agreementKey: x25519KeyPair(fromHex(agreementSecret)).publicKey,
  };
}

function hasKeys(keys: Partial<KeySeeds> | null | undefined): boolean {
  return isHex(keys?.signatureSeed) && isHex(keys?.agreementSecret);
}

function isHex(word: unknown): boolean {
  return typeof word === "string" && /^([0-9a-f]{2})+$/.test(word);
}

function isText(word: unknown): boolean {
  return typeof word === "string" && word !== "";
}
