import { FileMarkdownOutlined, FileOutlined, FilePdfOutlined, FileTextOutlined, FileWordOutlined, Html5Outlined } from '@/components/icons';


const ICONS: Record<string, typeof FileOutlined> = {
  pdf: FilePdfOutlined,
  docx: FileWordOutlined,
  md: FileMarkdownOutlined,
  markdown: FileMarkdownOutlined,
  html: Html5Outlined,
  htm: Html5Outlined,
  txt: FileTextOutlined,
};

export function FileIcon({ name }: { name: string }) {
  const Icon = ICONS[name.slice(name.lastIndexOf('.') + 1).toLowerCase()] ?? FileOutlined;
  return <Icon className="file-icon" />;
}
