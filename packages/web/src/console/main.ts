import { h, render } from 'preact';

render(h('main', {}, h('h1', {}, 'Console')), document.querySelector('#app')!);
