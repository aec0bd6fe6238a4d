/** What there is to explore, in parts that workers do by themselves. */

import type { Applet } from "../../simulator/applet.js";
import { loadApplet } from "../../simulator/applet-files.js";
import { RecordReader } from "../support/conservation-records.js";
import { AGENT_STORIES, AgentBeginning, type AgentStoryName, type Applets, agentStory } from "./agent-stories.js";
import { type Budget, type Explored, Explorer, type Share } from "./explore.js";
import { MODULE_PLANS, type ModuleBeginning, ModuleStory, moduleBeginning } from "./module-stories.js";
import { Personalisation } from "./personalisation.js";
import { FLASH } from "./stage.js";
import type { Story } from "./story.js";

export const STORIES: readonly string[] = [...MODULE_PLANS.map(({ name }) => name), ...AGENT_STORIES];
export const PERSONALISATIONS = ["personalisation agent", "personalisation module"] as const;

export const SINGLES: readonly Budget[] = [
  { cuts: 0, messages: 1, deaths: 0 },
  { cuts: 0, messages: 0, deaths: 1 },
  { cuts: 1, messages: 0, deaths: 0 },
];
export const CUT_AND_MESSAGE: Budget = { cuts: 1, messages: 1, deaths: 0 };
export const TWO_CUTS: Budget = { cuts: 2, messages: 0, deaths: 0 };

/** Files of the applets under test. */
export interface AppletPaths {
  readonly agent: string;
  readonly module: string;
}

export interface Job {
  readonly story: string;
  /** Every store's log has gone around its flash before. */
  readonly used: boolean;
  /** None for a personalisation. */
  readonly budget?: Budget;
  readonly share: Share;
  /** Every n-th of the second faults. */
  readonly sample: number;
  readonly applets: AppletPaths;
}

export function jobText({ story, used, budget, sample }: Job): string {
  if (budget === undefined) return story;
  const parts = Object.entries(budget).filter(([, most]) => most > 0);
  const faults = parts.map(([name, most]) => `${most} ${name}`).join(", ");
  return `${story}${used ? " on used flash" : ""}: ${faults}${sample > 1 ? `, every ${sample}th second` : ""}`;
}

const beginnings = new Map<boolean, Promise<{ modules: ModuleBeginning; agents: AgentBeginning }>>();

/** The same world for every story, made by the release applets, whichever are under test. */
function beginningOf(used: boolean) {
  const known = beginnings.get(used);
  if (known !== undefined) return known;
  const made = Promise.all([moduleBeginning("explorer", used), AgentBeginning.create("explorer", used)]).then(
    ([modules, agents]) => ({ modules, agents }),
  );
  beginnings.set(used, made);
  return made;
}

let reader: Promise<RecordReader> | undefined;

export async function storyOf(name: string, used: boolean, applets: Applets): Promise<Story> {
  reader ??= RecordReader.create(FLASH);
  const { modules, agents } = await beginningOf(used);
  const plan = MODULE_PLANS.find((each) => each.name === name);
  if (plan !== undefined) return new ModuleStory(plan, modules, applets.module, await reader);
  return agentStory(name as AgentStoryName, agents, applets, await reader);
}

export function appletsOf(paths: AppletPaths): Applets {
  return { agent: loadApplet(paths.agent), module: loadApplet(paths.module) };
}

export async function explore(job: Job): Promise<Explored> {
  const applets = appletsOf(job.applets);
  if (job.budget === undefined) {
    const sort = job.story === PERSONALISATIONS[0] ? "agent" : "module";
    const personalisation = new Personalisation(sort, applets[sort] as Applet, job.share);
    personalisation.run();
    return personalisation.explored;
  }
  const explorer = new Explorer(await storyOf(job.story, job.used, applets), { share: job.share, sample: job.sample });
  explorer.run(job.budget);
  return explorer.explored;
}
