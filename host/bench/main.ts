/**
 * How fast it is: `npm run bench`, with `-- --json` as one JSON object, with `-- --only tokens,wall` a part of it.
 *
 * A transaction is run whole in this process (elements, hosts, books in memory, card network), and then exactly its
 * public-key operations alone. The ratio of their CPU times says what everything else costs. docs/PERFORMANCE.md says
 * what each operation is for.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { FolderHome, MemoryHome } from "../world/home.js";
import { type Economy, type EconomySize, openEconomy } from "./economy.js";
import { measure, type Plan, type Result, rounded, type Subject, spreadOf } from "./measure.js";
import { OperationLog } from "./operations.js";
import { measureTokens, printTokens, TOKEN_SIZES, type TokensReport } from "./tokens.js";

const PURCHASES: Plan = { warmUp: 256, warmUpPasses: 3, rounds: 9, perRound: 12 };
/** The purchases before have warmed it up. */
const PURCHASES_AGAIN: Plan = { ...PURCHASES, warmUpPasses: 1 };
const PAYMENTS: Plan = { warmUp: 192, warmUpPasses: 1, rounds: 9, perRound: 12 };
const WALL_TRANSACTIONS = 20;
const WALL_WARM_UP = 4;

/** Wall time with books and chips in files, and the card network over TCP in a process of its own. */
interface Wall {
  readonly perSecond: number;
  readonly milliseconds: { readonly min: number; readonly median: number; readonly max: number };
  readonly transactions: number;
}

interface Report {
  readonly payment?: Result;
  readonly purchase?: Result;
  readonly purchaseAgain?: Result;
  readonly wall?: { readonly payment: Wall; readonly purchase: Wall };
  readonly crowd?: CrowdReport;
  readonly tokens?: TokensReport;
}

const PARTS = ["payment", "purchase", "purchaseAgain", "wall", "crowd", "tokens"] as const;
type Part = (typeof PARTS)[number];

/** Customers who buy from one merchant at the same moment: all settled, all books balanced. */
interface CrowdReport {
  readonly customers: number;
  readonly tills: number;
  readonly milliseconds: number;
  readonly perSecond: number;
}

const CROWD: EconomySize = { customers: 50, payers: 0, tills: 4 };

function transactionsOf({ warmUp, rounds, perRound }: Plan): number {
  return warmUp + rounds * perRound;
}

/** `customer-7.agent` is customerAgent: all customers are alike. */
function elementName(chipName: string): string {
  const [, party = chipName, sort = ""] = /^([a-z]+)(?:-\d+)?\.([a-z]+)$/.exec(chipName) ?? [];
  return party + sort.charAt(0).toUpperCase() + sort.slice(1);
}

async function inMemory(wants: (part: Part) => boolean): Promise<Report> {
  const log = new OperationLog();
  const home = new MemoryHome({ cryptography: (name) => log.wrap(sodiumCryptography, elementName(name)) });
  // Who buys again has bought before.
  const purchases = wants("purchase") || wants("purchaseAgain");
  const payments = wants("payment");
  if (!purchases && !payments) return {};
  const size = {
    customers: purchases ? transactionsOf(PURCHASES) : 0,
    payers: payments ? transactionsOf(PAYMENTS) : 0,
  };
  const economy = await openEconomy(home, size, "in-process");
  log.listenToHosts();
  try {
    const payment = payments ? { payment: await measure(economy.payment(), log, PAYMENTS) } : {};
    const purchase = purchases ? { purchase: await measure(economy.purchase(), log, PURCHASES) } : {};
    if (!wants("purchaseAgain")) return { ...payment, ...purchase };
    const purchaseAgain = await measure(economy.purchaseAgain(), log, PURCHASES_AGAIN);
    return { ...payment, ...(wants("purchase") ? purchase : {}), purchaseAgain };
  } finally {
    log.close();
    await economy.close();
  }
}

async function inFiles(): Promise<NonNullable<Report["wall"]>> {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-bench-"));
  try {
    const count = WALL_WARM_UP + WALL_TRANSACTIONS;
    const economy = await openEconomy(new FolderHome(folder), { customers: count, payers: count }, "process");
    try {
      return { payment: await wallOf(economy, economy.payment()), purchase: await wallOf(economy, economy.purchase()) };
    } finally {
      await economy.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Over lines on loopback, with books and chips in files, and the card network over TCP in a process of its own. */
async function crowdOf(size: EconomySize): Promise<CrowdReport> {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-bench-"));
  try {
    const economy = await openEconomy(new FolderHome(folder), size, "process");
    try {
      const { milliseconds, ...crowd } = await economy.crowd();
      return {
        ...crowd,
        milliseconds: rounded(milliseconds),
        perSecond: rounded((crowd.customers * 1000) / milliseconds),
      };
    } finally {
      await economy.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function wallOf(_economy: Economy, subject: Subject): Promise<Wall> {
  const times: number[] = [];
  for (let index = 0; index < WALL_WARM_UP + WALL_TRANSACTIONS; index += 1) {
    await subject.prepare(index);
    const before = performance.now();
    await subject.run(index, 0);
    times.push(performance.now() - before);
  }
  const { min, median, max } = spreadOf(times.slice(WALL_WARM_UP));
  const milliseconds = { min: rounded(min), median: rounded(median), max: rounded(max) };
  return { perSecond: Math.round(1000 / median), milliseconds, transactions: WALL_TRANSACTIONS };
}

function print({ wall, crowd, tokens, ...results }: Report): void {
  for (const [name, result] of Object.entries(results)) printResult(name, result);
  if (wall !== undefined) printWall(wall);
  if (crowd !== undefined) printCrowd(crowd);
  if (tokens !== undefined) printTokens(tokens);
}

function printWall(wall: NonNullable<Report["wall"]>): void {
  console.log("wall time, books and chips in files, card network over TCP in a process of its own:");
  for (const [name, { milliseconds, perSecond, transactions }] of Object.entries(wall)) {
    const { min, median, max } = milliseconds;
    console.log(`  ${name}: ${median} ms (${min} to ${max}), ${perSecond} a second; ${transactions} transactions`);
  }
}

function printCrowd({ customers, tills, milliseconds, perSecond }: CrowdReport): void {
  console.log(
    `${customers} customers at once at a merchant of ${tills} devices: ${milliseconds} ms, ${perSecond} a second`,
  );
}

function printResult(name: string, result: Result): void {
  const { min, max } = result.cryptoFloorRatioSpread;
  console.log(`${name}: ${result.cryptoFloorRatio} x its public-key operations (${min} to ${max})`);
  console.log(`  CPU ${result.cpuMicroseconds} us, public-key operations alone ${result.floorMicroseconds} us`);
  console.log(`  ${result.perSecond} a second of one core; ${result.apdus} APDUs, ${result.bytes} bytes`);
  console.log(`  ${result.transactions} measured after ${result.warmUp} to warm up`);
  for (const [who, counts] of Object.entries(result.purposes)) {
    const text = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
    console.log(`    ${who.padEnd(16)} ${text.join(", ")}`);
  }
}

/** What `--only` names, or all. */
function wantedParts(only: string | undefined): (part: Part) => boolean {
  const names = only?.split(",") ?? PARTS;
  const unknown = names.find((name) => !PARTS.some((part) => part === name));
  if (unknown !== undefined) throw new RangeError(`--only: "${unknown}" is none of ${PARTS.join(", ")}`);
  return (part) => names.some((name) => name === part);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: "boolean", default: false }, only: { type: "string" } } });
  const wants = wantedParts(values.only);
  const report: Report = {
    ...(await inMemory(wants)),
    ...(wants("wall") ? { wall: await inFiles() } : {}),
    ...(wants("crowd") ? { crowd: await crowdOf(CROWD) } : {}),
    ...(wants("tokens") ? { tokens: await measureTokens(TOKEN_SIZES) } : {}),
  };
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else print(report);
}

await main();
