import { render } from 'preact';
import { html } from '../ui/html.ts';
import { pageSettings } from '../ui/settings.ts';
import { App } from './app.ts';
import { createSessions, type StorefrontSettings } from './session.ts';
import { createShop } from './shop.ts';

const settings = pageSettings() as StorefrontSettings;
const shop = createShop(settings, createSessions(settings));
render(html`<${App} shop=${shop} />`, document.querySelector('#app')!);
