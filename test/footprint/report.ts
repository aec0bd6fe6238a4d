/** What is reported of a board: sizes, and, where it runs here, its stack and the work of each workload, counted twice. */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import type { AppletName } from "../../scripts/hardware/applets.js";
import { boardOf } from "../../scripts/hardware/boards.js";
import { imagesOf, measuringImage, type SizedImage, toolOf } from "../../scripts/hardware/measure-image.js";
import { run } from "../../scripts/hardware/run.js";
import { REGISTER_BYTES_PERSISTENT } from "../../simulator/chip.js";
import type { FlashTimes, MeasuredBoard } from "./boards.js";
import type { Life } from "./lives.js";
import { emulatedBoard } from "./machine.js";
import { type Counts, type MeasuredLife, measure, replay, sumOf } from "./replay.js";
import { monitorOptions, stackPlace, stackUsed } from "./stack.js";
import { WORKLOADS, type WorkloadName, type Workloads } from "./workloads.js";

/** An instruction is a nanosecond of QEMU's time, which stands still while the board sleeps. */
const COUNTED = ["-icount", "shift=0,sleep=off"];
const WORD_BYTES = 4;
/** Registers with number and hash (hardware/boards/common/two-copies.h). */
const COPY_BYTES = 4 + REGISTER_BYTES_PERSISTENT + 32;

/** Two runs of the same counted differently. */
export class CountsDiffer extends Error {
  override readonly name = "CountsDiffer";
}

/** What a board did for all of its chips' lives. */
interface Measured {
  /** By chip. */
  readonly lives: readonly (readonly MeasuredLife[])[];
  /** Bytes of stack that each applet used. */
  readonly stackUsed: Readonly<Partial<Record<AppletName, number>>>;
}

export type Report = Readonly<Record<string, unknown>>;

export function chipsOf(workloads: Workloads): readonly (readonly Life[])[] {
  return [...new Set(WORKLOADS.flatMap((name) => workloads[name].map(({ chip }) => chip)))];
}

function appletOf(chip: readonly Life[]): AppletName {
  return (chip[0] as Life).applet;
}

class Bench {
  readonly #root: string;
  readonly #board: MeasuredBoard;
  readonly #images: readonly SizedImage[];
  /** By the path of the shipping one. */
  readonly #measuring: ReadonlyMap<string, string>;
  /** Boards are told the names of their files, and open one to read their clock: names as long everywhere take as long everywhere. */
  readonly #folder = "build/hardware/measuring";

  constructor(root: string, board: MeasuredBoard, images: readonly SizedImage[]) {
    this.#root = root;
    this.#board = board;
    this.#images = images;
    this.#measuring = new Map(images.map((image) => [image.path, measuringImage(root, board.name, image)]));
  }

  /** The first, which is the usual one, if it has the applet. */
  #imageWith(applet: AppletName): SizedImage {
    const image = this.#images.find(({ applets }) => applets.includes(applet));
    if (image === undefined) throw new RangeError(`applet: no image has ${applet}`);
    return image;
  }

  #measuringOf({ path }: SizedImage): string {
    return this.#measuring.get(path) ?? path;
  }

  async #counted(chip: readonly Life[], folder: string): Promise<readonly MeasuredLife[]> {
    const image = this.#imageWith(appletOf(chip));
    const board = emulatedBoard(this.#board.name, this.#measuringOf(image), COUNTED);
    const first = await measure(board, folder, chip);
    const second = await measure(board, folder, chip);
    if (JSON.stringify(first) !== JSON.stringify(second))
      throw new CountsDiffer(`${this.#board.name}: two runs of ${chip[0]?.seed} counted differently`);
    return first;
  }

  /** Of the shipping image. */
  async #stack(chip: readonly Life[], folder: string): Promise<number> {
    const image = this.#imageWith(appletOf(chip));
    const place = stackPlace(toolOf(this.#board.name, "nm"), image.path);
    const socket = `${folder}.qmp`;
    const board = emulatedBoard(this.#board.name, image.path, monitorOptions(socket));
    let most = 0;
    await replay(board, folder, chip, {
      over: async () => {
        most = Math.max(most, await stackUsed(socket, place));
      },
    });
    return most;
  }

  /** What it depends on: the images, what they are given, and who runs them. */
  #keyOf(chips: readonly (readonly Life[])[]): string {
    const hash = createHash("sha256");
    for (const image of this.#images) {
      hash.update(readFileSync(image.path));
      hash.update(readFileSync(this.#measuringOf(image)));
    }
    for (const { program } of this.#board.tools) hash.update(run(program, ["--version"]));
    for (const { seed, applet, now_ms, exchanges } of chips.flat()) {
      hash.update(JSON.stringify([seed, applet, now_ms]));
      for (const { command, response, now_ms: at_ms } of exchanges)
        hash.update(command).update(response).update(`${at_ms}`);
    }
    return hash.digest("hex");
  }

  /** Measured when anything of it is new; otherwise what it was. */
  async measured(chips: readonly (readonly Life[])[]): Promise<Measured> {
    const kept = join(this.#root, "build/hardware/measured", `${this.#board.name}.json`);
    const key = this.#keyOf(chips);
    if (existsSync(kept)) {
      const { key: of, measured } = JSON.parse(readFileSync(kept, "utf8")) as { key: string; measured: Measured };
      if (of === key) return measured;
    }
    const measured = await this.#measure(chips);
    mkdirSync(dirname(kept), { recursive: true });
    writeFileSync(kept, JSON.stringify({ key, measured }));
    return measured;
  }

  /** As many at once as there are cores to count on. */
  async #measure(chips: readonly (readonly Life[])[]): Promise<Measured> {
    const lives: (readonly MeasuredLife[])[] = [];
    const stack: Partial<Record<AppletName, number>> = {};
    const left = [...chips.entries()];
    const work = async () => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const [index, chip] = next;
        const folder = join(this.#folder, `chip-${index}`);
        lives[index] = await this.#counted(chip, folder);
        const used = await this.#stack(chip, folder);
        const applet = appletOf(chip);
        stack[applet] = Math.max(stack[applet] ?? 0, used);
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, work));
    return { lives, stackUsed: stack };
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function flashWork({ flashPrograms, flashBytesProgrammed, flashErases, registerSaves }: Counts, times?: FlashTimes) {
  const words = Math.ceil(flashBytesProgrammed / WORD_BYTES);
  const work = { programs: flashPrograms, words, erases: flashErases, registerSaves };
  if (times === undefined) return work;
  const all = words + registerSaves * Math.ceil(COPY_BYTES / WORD_BYTES);
  const erasing_ms = (flashErases * times.sector_ms) / times.pagesOfSector;
  return { ...work, dataSheet_ms: Math.round((all * times.word_ms + erasing_ms) * 10) / 10 };
}

/** Of all instructions, those of each of the platform's functions; the rest is the applet's, and the card's around it. */
function profile({ instructions, calls }: Counts) {
  const used = Object.entries(calls).filter(([, { count }]) => count > 0);
  const platform = used.reduce((sum, [, each]) => sum + each.instructions, 0);
  return { ...Object.fromEntries(used), applet: { count: 1, instructions: instructions - platform } };
}

function worked(workloads: Workloads, measured: Measured, chips: readonly (readonly Life[])[], times?: FlashTimes) {
  const countsOf = (name: WorkloadName) =>
    sumOf(
      workloads[name].map(({ chip, life, from, to }) =>
        sumOf(measured.lives[chips.indexOf(chip)]?.[life]?.commands.slice(from, to) ?? []),
      ),
    );
  const [payer] = workloads.select;
  const boot = payer && measured.lives[chips.indexOf(payer.chip)]?.[payer.life]?.boot;
  const all = WORKLOADS.map((name) => [name, countsOf(name)] as const);
  const changing = all.filter(([, { flashPrograms, registerSaves }]) => flashPrograms + registerSaves > 0);
  return {
    instructions: { boot, ...Object.fromEntries(all.map(([name, { instructions }]) => [name, instructions])) },
    flashWork: Object.fromEntries(changing.map(([name, counts]) => [name, flashWork(counts, times)])),
    profile: Object.fromEntries(all.map(([name, counts]) => [name, profile(counts)])),
  };
}

function sizesOfImages(images: readonly SizedImage[]) {
  return Object.fromEntries(images.map(({ applets, sizes }) => [applets.join("+"), sizes]));
}

/** The board's part of the report. */
export async function reportOf(
  root: string,
  board: MeasuredBoard,
  workloads: () => Promise<Workloads>,
): Promise<Report> {
  const images = await imagesOf(root, board.name, board.usual);
  const [usual] = images as [SizedImage];
  const sizes = { ...usual.sizes, images: sizesOfImages(images) };
  if (!board.isEmulated) return sizes;
  const recorded = await workloads();
  const chips = chipsOf(recorded);
  const bench = new Bench(root, board, images);
  try {
    const measured = await bench.measured(chips);
    const used = (applets: readonly AppletName[]) =>
      Math.max(...applets.map((applet) => measured.stackUsed[applet] ?? 0));
    const perApplet = images.flatMap(({ applets, sizes: { ram } }) => {
      const [applet] = applets;
      return applets.length === 1 && applet !== undefined
        ? [[applet, (ram["total"] ?? 0) - (ram["stackReserved"] ?? 0) + used([applet])] as const]
        : [];
    });
    const ram = {
      ...usual.sizes.ram,
      stackUsed: used(boardOf(board.name, {}).applets),
      perApplet: Object.fromEntries(perApplet),
    };
    const work = worked(recorded, measured, chips, board.flash);
    return { flash: usual.sizes.flash, ram, images: sizes.images, stackUsed: measured.stackUsed, ...work };
  } finally {
    bench.close();
  }
}
