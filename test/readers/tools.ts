/** Cards in readers as the tools of others see them: pcsc_scan, opensc-tool, scriptor. Compared with the same chips without a reader. */

import { equal, match, notEqual, ok } from "node:assert/strict";
import { AID_MONEY_MODULE, AID_PURSE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import { aidOf } from "../../host/applets.js";
import { fromHex, toHex } from "../../host/codec/bytes.js";
import { answerToReset, type CardProtocol } from "../../simulator/card/atr.js";
import type { Card } from "../../simulator/card/card.js";
import { type Bench, type ReaderCheck, runTool } from "./lab.js";

const SELECT_MODULE = selectOf(AID_MONEY_MODULE);
const SELECT_AGENT = selectOf(AID_TRUSTED_AGENT);
const INFORMATION = "00cadf0100";
const BALANCES = "00cadf1000";
/** SELECT in extended form. */
const SELECT_EXTENDED = `00a40400000007${toHex(aidOf(AID_MONEY_MODULE))}0000`;
/** A message of 300 bytes for nobody: too long for a short command. */
const LONG_ENVELOPE = `80c2000000012c${"a5".repeat(300)}`;
/** opensc-tool sends extended length only to cards of which a driver of its says so; this one asks nothing of the card. */
const DRIVER_WITH_EXTENDED_LENGTH = "npa";
/** Stock vpcd answers twenty commands a second where the loopback acknowledges late. */
const COMMANDS_TIMED = 300;
const COMMANDS_A_SECOND_LEAST = 200;

function selectOf(applet: number): string {
  const aid = aidOf(applet);
  return `00a40400${toHex(Uint8Array.of(aid.length, ...aid))}00`;
}

/** VERIFY in two pieces, chained. */
function verifyInPieces(pin: string): [string, string] {
  const piece = (digits: string) => toHex(Uint8Array.of(digits.length, ...new TextEncoder().encode(digits)));
  return [`10200081${piece(pin.slice(0, 2))}`, `00200081${piece(pin.slice(2))}`];
}

/** What the card says without a reader, in order. */
function said(card: Card, commands: readonly string[]): string[] {
  return commands.map((command) => toHex(card.transmit(fromHex(command))));
}

function colons(hex: string): string {
  return hex.replace(/(..)(?=.)/g, "$1:");
}

/** Sends commands with opensc-tool, and gives the answers. */
async function openscTool(reader: number, commands: readonly string[], ...more: readonly string[]): Promise<string[]> {
  const sends = commands.flatMap((command) => ["--send-apdu", colons(command)]);
  const { code, out, err } = await runTool("opensc-tool", ["--reader", String(reader), ...more, ...sends]);
  equal(code, 0, `opensc-tool: ${err}${out}`);
  // Sixteen bytes a line, in hexadecimal and then as text; the text stands in a column of its own where there are several lines.
  return out
    .split(/^Sending: .*\n/m)
    .slice(1)
    .map((answer) => {
      const [status = "", ...lines] = answer.trimEnd().split("\n");
      const words = /SW1=0x(..), SW2=0x(..)/.exec(status);
      const column = lines.length > 1 ? 48 : ((lines[0]?.length ?? 0) / 4) * 3;
      const data = lines.map((line) => line.slice(0, column).replaceAll(" ", "")).join("");
      return `${data}${words?.[1]}${words?.[2]}`.toLowerCase();
    });
}

/** Sends commands with scriptor, and gives the answers; that to "reset" is the ATR. */
async function scriptor(reader: string, commands: readonly string[]): Promise<string[]> {
  const spaced = commands.map((command) => (command === "reset" ? command : command.replace(/(..)(?=.)/g, "$1 ")));
  const { code, out, err } = await runTool("scriptor", ["-r", reader], { input: `${spaced.join("\n")}\n` });
  equal(code, 0, `scriptor: ${err}${out}`);
  return out
    .split(/^> .*\n/m)
    .slice(1)
    .map((answer) => (/^< (?:OK: )?([0-9A-F\s]+)/.exec(answer)?.[1] ?? answer).replace(/\s/g, "").toLowerCase());
}

async function scanned(bench: Bench, protocol: CardProtocol): Promise<void> {
  const reader = bench.readers[0]?.name ?? "";
  const atr = toHex(answerToReset(protocol))
    .toUpperCase()
    .replace(/(..)(?=.)/g, "$1 ");
  const { out } = await runTool("pcsc_scan", ["-n"], { enough: (text) => text.includes(`ATR: ${atr}`) });
  const shown = String.raw`Reader 0: ${reader}\s+Event number: \d+\s+Card state: Card inserted,\s+ATR: ${atr}`;
  match(out, new RegExp(shown));
}

export const TOOL_CHECKS: readonly ReaderCheck[] = [
  {
    name: "pcsc_scan shows the card and its answer to reset, of T=1 and of T=0",
    run: async (bench) => {
      const card = await bench.cards("alice");
      await scanned(bench, "T=1");
      card.say("quit");
      equal((await card.ended()).code, 0);
      await bench.cards("alice", "--protocol", "t0");
      await scanned(bench, "T=0");
    },
  },
  {
    name: "opensc-tool lists the readers and reads the answer to reset",
    run: async (bench) => {
      await bench.cards("alice", "bob", "--protocol", "t1");
      const { out } = await runTool("opensc-tool", ["--list-readers"]);
      for (const [index, { name }] of bench.readers.entries()) {
        match(out, new RegExp(`^${index}\\s+${index < 2 ? "Yes" : "No"}\\s+${name}$`, "m"));
      }
      const atr = await runTool("opensc-tool", ["--reader", "0", "--atr"]);
      equal(atr.out.trim(), colons(toHex(answerToReset("T=1"))));
    },
  },
  {
    name: "opensc-tool is answered what the chips answer",
    run: async (bench) => {
      const commands = [
        SELECT_MODULE,
        INFORMATION,
        BALANCES,
        SELECT_AGENT,
        INFORMATION,
        "00cadf0300",
        "00a4040002a00000",
      ];
      const expected = said(await bench.reference("alice"), commands);
      await bench.cards("alice");
      equal((await openscTool(0, commands)).join("\n"), expected.join("\n"));
    },
  },
  {
    name: "a card that speaks T=1 takes extended length, from opensc-tool and from scriptor",
    run: async (bench) => {
      const commands = [SELECT_EXTENDED, `${INFORMATION}0000`, LONG_ENVELOPE];
      const reference = await bench.reference("alice");
      const expected = said(reference, commands);
      const reader = bench.readers[0]?.name ?? "";
      await bench.cards("alice");
      equal(
        (await openscTool(0, commands, "--card-driver", DRIVER_WITH_EXTENDED_LENGTH)).join("\n"),
        expected.join("\n"),
      );
      equal((await scriptor(reader, ["reset", ...commands])).slice(1).join("\n"), expected.join("\n"));
      // More than a short answer holds, in one piece.
      const [first, second] = verifyInPieces(bench.pinOf("alice"));
      const owners = [SELECT_MODULE, first, second, "00cadf02000000"];
      const answers = await scriptor(reader, owners);
      equal(answers.join("\n"), said(reference, owners).join("\n"));
      ok((answers[3]?.length ?? 0) / 2 > 258, `the chain: ${answers[3]}`);
    },
  },
  {
    name: "a command in two pieces is one, from opensc-tool and from scriptor",
    run: async (bench) => {
      const [first, second] = verifyInPieces(bench.pinOf("alice"));
      const wrong = verifyInPieces("000000");
      const commands = [SELECT_MODULE, ...wrong, BALANCES, first, second, BALANCES];
      const reference = await bench.reference("alice");
      const expected = said(reference, commands);
      equal(expected[2]?.slice(0, 3), "63c");
      equal(expected[3], "6982");
      equal(expected[6]?.slice(-4), "9000");
      await bench.cards("alice");
      equal((await scriptor(bench.readers[0]?.name ?? "", commands)).join("\n"), expected.join("\n"));
      equal((await openscTool(0, commands)).join("\n"), said(reference, commands).join("\n"));
    },
  },
  {
    name: "a card that speaks T=0 refuses extended length, and gives the rest when it is asked",
    run: async (bench) => {
      const [selected = "", information = ""] = said(await bench.reference("alice"), [SELECT_MODULE, INFORMATION]);
      const length = (answer: string) => (answer.length / 2 - 2).toString(16).padStart(2, "0");
      await bench.cards("alice", "--protocol", "t0");
      const answers = await scriptor(bench.readers[0]?.name ?? "", [
        "reset",
        SELECT_EXTENDED,
        SELECT_MODULE,
        `00c00000${length(selected)}`,
        INFORMATION,
        `00cadf01${length(information)}`,
        "00cadf0105",
        `00c00000${(Number.parseInt(length(information), 16) - 5).toString(16)}`,
        "00700000",
        "0070000001",
      ]);
      const rest = (Number.parseInt(length(information), 16) - 5).toString(16);
      const expected = [
        toHex(answerToReset("T=0")),
        "6700",
        `61${length(selected)}`,
        selected,
        `6c${length(information)}`,
        information,
        `${information.slice(0, 10)}61${rest}`,
        information.slice(10),
        "6c01",
        "019000",
      ];
      equal(answers.join("\n"), expected.join("\n"));
      // opensc-tool asks for the rest by itself.
      const whole = await openscTool(0, [SELECT_MODULE, INFORMATION]);
      equal(whole.join("\n"), [selected, information].join("\n"));
    },
  },
  {
    name: "cards in different readers are different cards",
    run: async (bench) => {
      const commands = [SELECT_MODULE, INFORMATION, SELECT_AGENT, INFORMATION];
      const [alice, bob] = [
        said(await bench.reference("alice"), commands),
        said(await bench.reference("bob"), commands),
      ];
      notEqual(alice.join(), bob.join());
      await bench.cards("alice", "bob");
      equal((await openscTool(0, commands)).join("\n"), alice.join("\n"));
      equal((await openscTool(1, commands)).join("\n"), bob.join("\n"));
      equal((await openscTool(0, commands)).join("\n"), alice.join("\n"));
    },
  },
  {
    name: "with --split each chip has a card of its own",
    run: async (bench) => {
      const commands = [SELECT_MODULE, SELECT_AGENT];
      const [module, agent] = said(await bench.reference("alice"), commands);
      await bench.cards("alice", "--split");
      equal((await openscTool(0, commands)).join("\n"), ["6a82", agent].join("\n"));
      equal((await openscTool(1, commands)).join("\n"), [module, "6a82"].join("\n"));
    },
  },
  {
    name: "a blank card has the applications that it was made with, and takes a key",
    run: async (bench) => {
      await bench.cards("--blank", "money-module", "purse");
      const key = Array.from({ length: 32 }, (_, index) => ((index * 37 + 11) & 0xff).toString(16).padStart(2, "0"));
      const commands = [SELECT_AGENT, selectOf(AID_PURSE), `80d8000020${key.join("")}`, SELECT_MODULE];
      const [agent, purse, taken, module] = await openscTool(0, commands);
      equal(agent, "6a82");
      match(purse ?? "", /^6f.*830100.*9000$/);
      equal(taken, "9000");
      match(module ?? "", /^6f.*830100.*9000$/);
    },
  },
  {
    name: "a card is torn out and put in again, and loses its power, as told on standard input",
    run: async (bench) => {
      const card = await bench.cards("alice");
      const reader = bench.readers[0]?.name ?? "";
      const isIn = async () => /^0\s+Yes/m.test((await runTool("opensc-tool", ["--list-readers"])).out);
      ok(await isIn());
      card.say("remove");
      await card.event("removed");
      await bench.empty();
      ok(!(await isIn()));
      card.say("insert 1");
      await card.event("inserted");
      await card.event("powered");
      const [first, second] = verifyInPieces(bench.pinOf("alice"));
      equal((await scriptor(reader, [SELECT_MODULE, first, second, BALANCES])).at(-1)?.slice(-4), "9000");
      card.say("reset 1");
      equal((await card.event("power-cut"))["wasOn"], true);
      card.say("status");
      equal((await card.event("status"))["state"], "inserted");
      card.say("dance");
      await card.event("not-understood");
      card.say("quit");
      equal((await card.ended()).code, 0);
    },
  },
  {
    name: "chips that are a card are nobody else's meanwhile",
    run: async (bench) => {
      const card = await bench.cards("alice");
      const refused = await bench.start("alice", "--port", "35965").ended();
      equal(refused.code, 1);
      match(refused.err, /is working in .* with the chips of alice[\s\S]*no money moved/);
      const other = await bench.start("nobody").ended();
      equal(other.code, 1);
      match(other.err, /There is no device "nobody"\. No money moved\./);
      card.say("quit");
      equal((await card.ended()).code, 0);
      equal((await bench.tally("wallet", "balance", "alice")).code, 0);
    },
  },
  {
    name: "a second card in a reader is told that nobody asks for it",
    run: async (bench) => {
      await bench.cards("alice");
      const second = bench.start("bob");
      await second.event("inserted");
      await second.event("unheard");
      const alone = bench.start("carol", "--port", "35999");
      await alone.event("waiting");
    },
  },
  {
    name: "a slow chip takes its time, and a reader waits for it",
    run: async (bench) => {
      const commands = [SELECT_MODULE, INFORMATION];
      const expected = said(await bench.reference("alice"), commands);
      await bench.cards("alice", "--delay", "400");
      const startedAt_ms = Date.now();
      equal((await scriptor(bench.readers[0]?.name ?? "", commands)).join("\n"), expected.join("\n"));
      ok(Date.now() - startedAt_ms >= 800, `it took ${Date.now() - startedAt_ms} ms`);
    },
  },
  {
    name: "the doctor finds readers and cards, and nothing missing",
    run: async (bench) => {
      await bench.cards("alice");
      const { code, out } = await bench.tally("--json", "card", "doctor");
      const { fit, findings } = JSON.parse(out) as { fit: boolean; findings: { name: string; found: string }[] };
      equal(code, 0, out);
      equal(fit, true);
      const seen = findings.find(({ name }) => name === "readers and cards")?.found ?? "";
      ok(seen.includes(`${bench.readers[0]?.name}: card ${toHex(answerToReset("T=1"))}`), seen);
      ok(seen.includes(`${bench.readers[1]?.name}: empty`), seen);
    },
  },
  {
    name: `${COMMANDS_A_SECOND_LEAST} commands a second, and more`,
    run: async (bench) => {
      await bench.cards("alice");
      const commands = Array.from({ length: COMMANDS_TIMED }, () => INFORMATION);
      const startedAt_ms = Date.now();
      const answers = await scriptor(bench.readers[0]?.name ?? "", [SELECT_MODULE, ...commands]);
      const a_second = Math.round((COMMANDS_TIMED * 1000) / (Date.now() - startedAt_ms));
      equal(answers.length, COMMANDS_TIMED + 1);
      ok(answers.every((answer) => answer.endsWith("9000")));
      ok(a_second >= COMMANDS_A_SECOND_LEAST, `${a_second} a second`);
      console.log(`       ${a_second} commands a second`);
    },
  },
];
