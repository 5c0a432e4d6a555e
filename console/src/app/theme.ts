// One palette for both worlds: Ant Design takes it as tokens, our own CSS as custom properties.
import { theme, type ThemeConfig } from 'antd';

// Courtyard colours: paper walls, jade for what acts, roof-tile clay for sources.
const light = {
  paper: '#f7f5f0',
  surface: '#ffffff',
  sunken: '#f1eee7',
  ink: '#1f2421',
  'ink-soft': '#4d5751',
  'ink-faint': '#5d6761',
  line: '#e5e0d6',
  'line-strong': '#cdc6b8',
  accent: '#1d6b52',
  'accent-hover': '#16573f',
  'accent-soft': '#e4efe9',
  clay: '#96471f',
  'clay-soft': '#f8e9dd',
  danger: '#b3372f',
  'danger-soft': '#fbeae8',
  warning: '#8a5a00',
  'warning-soft': '#fbf1d9',
  mark: '#fbe3a4',
};

const dark: typeof light = {
  paper: '#141715',
  surface: '#1b1f1d',
  sunken: '#232825',
  ink: '#e8ebe6',
  'ink-soft': '#b4bcb6',
  'ink-faint': '#939d96',
  line: '#2d3330',
  'line-strong': '#444d48',
  accent: '#68c9a4',
  'accent-hover': '#84d8b8',
  'accent-soft': '#1d332a',
  clay: '#ecae86',
  'clay-soft': '#3a2a20',
  danger: '#f0897f',
  'danger-soft': '#3a2220',
  warning: '#e2b65a',
  'warning-soft': '#352b15',
  mark: '#5a4a1c',
};

export const FONT =
  'system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif';

export function applyPalette(isDark: boolean): void {
  const root = document.documentElement;
  for (const [name, value] of Object.entries(isDark ? dark : light)) root.style.setProperty(`--${name}`, value);
  root.style.colorScheme = isDark ? 'dark' : 'light';
  root.dataset.theme = isDark ? 'dark' : 'light';
}

export function antdTheme(isDark: boolean): ThemeConfig {
  const c = isDark ? dark : light;
  return {
    // Ant Design derives shades from a colour by rules of its own; where they miss the palette, the palette wins.
    algorithm: (seed) => ({
      ...(isDark ? theme.darkAlgorithm : theme.defaultAlgorithm)(seed),
      colorPrimary: c.accent,
      colorPrimaryHover: c['accent-hover'],
      colorPrimaryActive: c['accent-hover'],
      colorPrimaryBg: c['accent-soft'],
      colorError: c.danger,
      colorErrorHover: c.danger,
      colorErrorBg: c['danger-soft'],
      colorErrorBorder: 'transparent',
      colorWarning: c.warning,
      colorWarningBg: c['warning-soft'],
      colorWarningBorder: 'transparent',
      colorSuccess: c.accent,
    }),
    token: {
      fontFamily: FONT,
      fontSize: 15,
      borderRadius: 10,
      controlHeight: 38,
      colorPrimary: c.accent,
      colorLink: c.accent,
      colorLinkHover: c['accent-hover'],
      colorError: c.danger,
      colorWarning: c.warning,
      colorSuccess: c.accent,
      colorInfo: c.accent,
      colorText: c.ink,
      colorTextSecondary: c['ink-soft'],
      colorTextTertiary: c['ink-faint'],
      colorTextDescription: c['ink-faint'],
      colorTextPlaceholder: c['ink-faint'],
      colorBgLayout: c.paper,
      colorBgContainer: c.surface,
      colorBgElevated: c.surface,
      colorBorder: c['line-strong'],
      colorBorderSecondary: c.line,
      wireframe: false,
    },
    components: {
      Button: { primaryShadow: 'none', defaultShadow: 'none', dangerShadow: 'none', primaryColor: isDark ? '#0f1c16' : '#ffffff' },
      Select: { optionSelectedBg: c['accent-soft'], optionSelectedColor: c.accent, optionActiveBg: c.sunken },
      Segmented: { trackBg: c.sunken, itemSelectedBg: c.surface },
      Tooltip: { colorBgSpotlight: isDark ? '#3a423d' : '#2a312d' },
    },
  };
}
