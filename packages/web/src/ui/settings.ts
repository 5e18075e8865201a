/** What the api tells the page in its document. */
export function pageSettings(): unknown {
  const { settings = '{}' } = document.querySelector<HTMLElement>('#app')!.dataset;
  return JSON.parse(settings);
}
