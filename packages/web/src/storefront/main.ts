import { h, render } from 'preact';

render(h('main', {}, h('h1', {}, 'Flash sale')), document.querySelector('#app')!);
