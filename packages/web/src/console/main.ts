import { render } from 'preact';
import { html } from '../ui/html.ts';
import { App } from './app.ts';

render(html`<${App} />`, document.querySelector('#app')!);
