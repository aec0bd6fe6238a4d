/** What is reported of a board: sizes, and, where it runs here, its stack and the work of each workload, counted twice. */

import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { APPLETS } from "../../scripts/firmware/applets.js";
import type { AppletName } from "../../scripts/hardware/applets.js";
import { boardOf } from "../../scripts/hardware/boards.js";
import { imagesOf, measuringImage, type SizedImage, toolOf } from "../../scripts/hardware/measure-image.js";
import { run } from "../../scripts/hardware/run.js";
import { REGISTER_BYTES_PERSISTENT } from "../../simulator/chip.js";
import type { FlashTimes, MeasuredBoard } from "./boards.js";
import type { Life } from "./lives.js";
import { emulatedBoard, storeOf } from "./machine.js";
import { type Counts, type MeasuredLife, measure, replay, sumOf } from "./replay.js";
import { monitorOptions, stackPlace, stackUsed } from "./stack.js";
import { WORKLOADS, type WorkloadName, type Workloads } from "./workloads.js";

/** An instruction is a nanosecond of QEMU's time, which stands still while the board sleeps. */
const COUNTED = ["-icount", "shift=0,sleep=off"];
/** Of the same, which must count the same. */
const RUNS = 2;
/** Changes whenever this file measures in another way, so that no counts of the old way are taken for new. */
const METHOD = "1";
const WORD_BYTES = 4;
/** Registers with number and hash (hardware/boards/common/two-copies.h). */
const COPY_BYTES = 4 + REGISTER_BYTES_PERSISTENT + 32;

/** Two runs of the same counted differently. */
export class CountsDiffer extends Error {
  override readonly name = "CountsDiffer";
}

interface MeasuredChip {
  /** By index, those that workloads are part of. */
  readonly lives: Readonly<Record<number, MeasuredLife>>;
  /** In any of its lives, bytes. */
  readonly stackUsed: number;
}

/** What a board did for each chip, in their order. */
type Measured = readonly MeasuredChip[];

export type Report = Readonly<Record<string, unknown>>;

export function chipsOf(workloads: Workloads): readonly (readonly Life[])[] {
  return [...new Set(WORKLOADS.flatMap((name) => workloads[name].map(({ chip }) => chip)))];
}

/** Which lives of each chip are counted. */
function wantedOf(workloads: Workloads, chips: readonly (readonly Life[])[]): readonly ReadonlySet<number>[] {
  const stretches = WORKLOADS.flatMap((name) => workloads[name]);
  return chips.map((each) => new Set(stretches.flatMap(({ chip, life }) => (chip === each ? [life] : []))));
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

  async #counted(life: Life, folder: string, restore: () => void): Promise<MeasuredLife> {
    const board = emulatedBoard(this.#board.name, this.#measuringOf(this.#imageWith(life.applet)), COUNTED);
    const runs: MeasuredLife[] = [];
    for (let i = 0; i < RUNS; i++) {
      restore();
      runs.push(await measure(board, folder, life));
    }
    const [first, ...others] = runs as [MeasuredLife, ...MeasuredLife[]];
    if (others.some((other) => JSON.stringify(other) !== JSON.stringify(first)))
      throw new CountsDiffer(`${this.#board.name}: two runs of ${life.seed} counted differently`);
    return first;
  }

  /**
   * All lives of a chip on the shipping image, and the stack that was used; then those that are to be counted, each from what was kept
   * when it began.
   */
  async #live(chip: readonly Life[], wanted: ReadonlySet<number>, folder: string): Promise<MeasuredChip> {
    const { path } = this.#imageWith(appletOf(chip));
    const place = stackPlace(toolOf(this.#board.name, "nm"), path);
    const socket = `${folder}.qmp`;
    const board = emulatedBoard(this.#board.name, path, monitorOptions(socket));
    const store = storeOf(folder);
    let used = 0;
    rmSync(folder, { recursive: true, force: true });
    for (const [index, life] of chip.entries()) {
      if (wanted.has(index)) copyFileSync(store, `${store}-${index}`);
      await replay(board, folder, life, {
        over: async () => {
          used = Math.max(used, await stackUsed(socket, place));
        },
      });
    }
    const lives: Record<number, MeasuredLife> = {};
    for (const index of wanted) {
      const restore = () => copyFileSync(`${store}-${index}`, store);
      lives[index] = await this.#counted(chip[index] as Life, folder, restore);
    }
    rmSync(folder, { recursive: true, force: true });
    return { lives, stackUsed: used };
  }

  /** What it depends on: the images, what they are given, and who runs them. */
  #keyOf(chips: readonly (readonly Life[])[], wanted: readonly ReadonlySet<number>[]): string {
    const hash = createHash("sha256").update(METHOD);
    hash.update(JSON.stringify(wanted.map((lives) => [...lives])));
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
  async measured(chips: readonly (readonly Life[])[], wanted: readonly ReadonlySet<number>[]): Promise<Measured> {
    const kept = join(this.#root, "build/hardware/measured", `${this.#board.name}.json`);
    const key = this.#keyOf(chips, wanted);
    if (existsSync(kept)) {
      const { key: of, measured } = JSON.parse(readFileSync(kept, "utf8")) as { key: string; measured: Measured };
      if (of === key) return measured;
    }
    const measured = await this.#measure(chips, wanted);
    mkdirSync(dirname(kept), { recursive: true });
    writeFileSync(kept, JSON.stringify({ key, measured }));
    return measured;
  }

  /** As many at once as there are cores to count on. */
  async #measure(chips: readonly (readonly Life[])[], wanted: readonly ReadonlySet<number>[]): Promise<Measured> {
    const measured: MeasuredChip[] = [];
    const left = [...chips.entries()];
    const work = async () => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const [index, chip] = next;
        const folder = join(this.#folder, `chip-${index}`);
        measured[index] = await this.#live(chip, wanted[index] ?? new Set(), folder);
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, work));
    return measured;
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
  const lifeOf = (chip: readonly Life[], life: number): MeasuredLife => {
    const found = measured[chips.indexOf(chip)]?.lives[life];
    if (found === undefined) throw new RangeError(`life: ${chip[life]?.seed} was not measured`);
    return found;
  };
  const countsOf = (name: WorkloadName) =>
    sumOf(workloads[name].map(({ chip, life, from, to }) => sumOf(lifeOf(chip, life).commands.slice(from, to))));
  const [payer] = workloads.select;
  const boot = payer && lifeOf(payer.chip, payer.life).boot;
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
    const measured = await bench.measured(chips, wantedOf(recorded, chips));
    const stackOf = (applet: AppletName) =>
      Math.max(...chips.map((chip, at) => (appletOf(chip) === applet ? (measured[at]?.stackUsed ?? 0) : 0)));
    const used = (applets: readonly AppletName[]) => Math.max(...applets.map(stackOf));
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
    return {
      flash: usual.sizes.flash,
      ram,
      images: sizes.images,
      stackUsed: Object.fromEntries(APPLETS.map((applet) => [applet, stackOf(applet)])),
      ...work,
    };
  } finally {
    bench.close();
  }
}
