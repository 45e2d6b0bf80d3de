/** How long the tests wait. */

/** How long a busy machine may take for what an idle one does at once, in milliseconds. */
export const PATIENCE = 12e4;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `condition` holds, and fails after as long as a busy machine may take. */
export const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  const end = Date.now() + PATIENCE;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${PATIENCE} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
