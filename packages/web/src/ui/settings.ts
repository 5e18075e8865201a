/** The settings that the api writes into the document of a page. */
export function pageSettings(): unknown {
  const { settings = '{}' } = document.querySelector<HTMLElement>('#app')!.dataset;
  return JSON.parse(settings);
}
